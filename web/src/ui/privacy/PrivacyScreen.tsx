/** Faces and plates of a project: which pictures a reviewer has seen to, and each one's regions. */
import { useEffect, useState } from "react";
import type { Api } from "../../api/client";
import { type PrivacyImage, privacyImages, proposeRegions } from "../../api/privacy";
import { go, hashOf } from "../server/route";
import { useLoaded } from "../server/use_loaded";
import { RegionEditor } from "./RegionEditor";
import "./privacy.css";

const PAGE = 1000;

interface Props {
  readonly api: Api;
  readonly project: number;
  readonly image: number | null;
}

export function PrivacyScreen({ api, project: id, image }: Props) {
  const project = useLoaded(() => api.project(id), [api, id]);
  const [isLeft, setIsLeft] = useState(false);
  const list = useLoaded(() => wholeList(api, id), [api, id, image === null]);
  const [looked, setLooked] = useState<number | null>(null);
  const images = list.value ?? [];
  const problem = project.problem ?? list.problem;
  const [lookProblem, setLookProblem] = useState<string | null>(null);
  const place = images.findIndex((one) => one.image_id === image);
  const open = (one: PrivacyImage | undefined) =>
    go({ screen: "privacy", project: id, image: one?.image_id ?? null });

  useEffect(() => setLookProblem(null), [id]);
  const lookAtAll = async () => {
    const waiting = images.filter(({ version }) => version === 0);
    try {
      for (const [index, one] of waiting.entries()) {
        setLooked(index);
        const { problem: reason } = await proposeRegions(api, one.image_id);
        if (reason) throw new Error(reason);
      }
    } catch (error) {
      setLookProblem((error as Error).message);
    }
    setLooked(null);
    list.reload();
  };

  if (problem)
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  if (!project.value || !list.value) return null;
  const head = (
    <h1>
      <a href={hashOf({ screen: "images", project: id })}>{project.value.name}</a>
      <span className="soft"> · faces and plates</span>
    </h1>
  );
  const current = images[place];
  if (current) {
    const after = [...images.slice(place + 1), ...images.slice(0, place)];
    return (
      <>
        <div className="screen-head">
          {head}
          <span className="soft">
            {current.name}, {place + 1} of {images.length}
          </span>
          <a className="button" href={hashOf({ screen: "privacy", project: id, image: null })}>
            All pictures
          </a>
        </div>
        <RegionEditor
          key={current.image_id}
          api={api}
          image={current}
          onPrevious={place > 0 ? () => open(images[place - 1]) : null}
          onNext={place + 1 < images.length ? () => open(images[place + 1]) : null}
          onDone={() => {
            list.reload();
            open(after.find(({ is_done }) => !is_done));
          }}
        />
      </>
    );
  }
  const numDone = images.filter(({ is_done }) => is_done).length;
  const numUnseen = images.filter(({ version }) => version === 0).length;
  const shown = isLeft ? images.filter(({ is_done }) => !is_done) : images;
  return (
    <>
      <div className="screen-head">
        {head}
        {numUnseen > 0 && (
          <button type="button" disabled={looked !== null} onClick={() => void lookAtAll()}>
            {looked === null ? `Look at ${numUnseen} new` : `Looking: ${looked} of ${numUnseen}`}
          </button>
        )}
        <button
          type="button"
          className="primary"
          disabled={numDone === images.length}
          onClick={() => open(images.find(({ is_done }) => !is_done))}
        >
          Review next
        </button>
      </div>
      <p className="guideline">
        What is marked here is blurred for good in pictures that are exported. Reviewed: {numDone}{" "}
        of {images.length}.
      </p>
      {lookProblem && (
        <p className="problem" role="alert">
          {lookProblem}
        </p>
      )}
      <label className="check region-filter">
        <input
          type="checkbox"
          checked={isLeft}
          onChange={(event) => setIsLeft(event.target.checked)}
        />
        Only those left to review
      </label>
      <ul className="images" aria-label="Pictures">
        {shown.map((one) => (
          <li key={one.image_id}>
            <a
              className="image"
              href={hashOf({ screen: "privacy", project: id, image: one.image_id })}
            >
              <img src={api.thumbnailUrl(one.image_id)} alt="" loading="lazy" />
              <span className="image-name">{one.name}</span>
              <span className="image-facts">
                <span className={`badge ${one.is_done ? "state-accepted" : ""}`}>
                  {one.is_done ? "reviewed" : one.version ? "to review" : "new"}
                </span>
                {one.version > 0 &&
                  `${one.num_regions} ${one.num_regions === 1 ? "region" : "regions"}`}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

/** All pages of the list. */
async function wholeList(api: Api, project: number): Promise<PrivacyImage[]> {
  const images: PrivacyImage[] = [];
  for (;;) {
    const after = images.at(-1)?.image_id ?? 0;
    const page = await privacyImages(api, project, { after, limit: PAGE });
    images.push(...page);
    if (page.length < PAGE) return images;
  }
}
