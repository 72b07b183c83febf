/** One mask after another in five views, rated from 1 to 10 by keys or buttons. */
import { useEffect, useRef } from "react";
import type { Api } from "../../api/client";
import type { User } from "../../api/wire";
import { IconButton } from "../Icon";
import { hashOf } from "../server/route";
import { useLoaded } from "../server/use_loaded";
import { type Rated, VIEWS, drawView } from "./five_views";
import "./quality.css";
import { useRating } from "./use_rating";

const SCORES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
const MEANINGS: Readonly<Record<number, string>> = {
  1: "no mask of anything",
  4: "huge errors",
  6: "mostly sensible",
  9: "minor errors",
  10: "no error to be seen",
};

interface Props {
  readonly api: Api;
  readonly user: User;
  readonly project: number;
}

export function RatingScreen({ api, user, project: id }: Props) {
  const project = useLoaded(() => api.project(id), [api, id]);
  const { open, progress, problem, rate, undo } = useRating(api, id);

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.repeat || event.altKey || (event.target as HTMLElement).closest("[role=dialog]"))
        return;
      const isModified = event.ctrlKey || event.metaKey;
      if (event.key === "Backspace" || (event.key === "z" && isModified)) undo();
      else if (/^\d$/.test(event.key) && !isModified) rate(Number(event.key) || 10);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });

  if (!project.value) return null;
  return (
    <>
      <div className="screen-head">
        <h1>
          <a href={hashOf({ screen: "images", project: id })}>{project.value.name}</a>
          <span className="soft"> · rating</span>
        </h1>
        {progress && (
          <span className="soft" role="status">
            {progress.own} by you, {progress.given} of {progress.wanted} in all
          </span>
        )}
        {user.role !== "annotator" && (
          <a className="button" href={hashOf({ screen: "quality", project: id })}>
            Quality
          </a>
        )}
        <IconButton
          icon="undo"
          label="Take the last rating back"
          shortcut="⌫"
          isDisabled={!progress?.own}
          onClick={undo}
        />
      </div>
      {project.value.guideline && <p className="guideline">{project.value.guideline}</p>}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {open === "done" && (
        <p className="soft">
          {progress?.wanted
            ? "Nothing is left for you to rate."
            : "This project has no masks to rate."}
        </p>
      )}
      {open && open !== "done" && (
        <>
          <div className="rating-scores" role="group" aria-label="Rating">
            {SCORES.map((score) => (
              <button key={score} type="button" onClick={() => rate(score)}>
                <strong>{score}</strong>
                {MEANINGS[score] && <span>{MEANINGS[score]}</span>}
              </button>
            ))}
          </div>
          <FiveViews rated={open} />
        </>
      )}
    </>
  );
}

function FiveViews({ rated }: { readonly rated: Rated }) {
  const canvases = useRef<(HTMLCanvasElement | null)[]>([]);
  useEffect(() => {
    for (const [i, view] of VIEWS.entries()) drawView(canvases.current[i]!, view, rated);
  }, [rated]);
  return (
    <div className="five-views">
      {VIEWS.map(({ name }, i) => (
        <figure key={name}>
          <canvas
            ref={(canvas) => {
              canvases.current[i] = canvas;
            }}
            role="img"
            aria-label={name}
          />
          <figcaption>{name}</figcaption>
        </figure>
      ))}
    </div>
  );
}
