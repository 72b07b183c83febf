/** A project's images: how far they are, the next one to annotate, uploads and exports. */
import { useEffect, useState } from "react";
import type { Api } from "../../api/client";
import { ratingProgress } from "../../api/quality";
import type { ImageState, ListedImage, User } from "../../api/wire";
import { Icon } from "../Icon";
import { ExportMenu } from "./ExportMenu";
import { ImageCard } from "./ImageCard";
import { ProgressBar, STATES, STATE_NAMES } from "./ProgressBar";
import { UnsavedWork } from "./UnsavedWork";
import { UploadArea } from "./UploadArea";
import { go, hashOf } from "./route";
import { useLoaded } from "./use_loaded";

const PAGE = 60;
const TYPING_MS = 250; // the pause after which a name is looked for

interface Props {
  readonly api: Api;
  readonly user: User;
  readonly project: number;
}

export function ImagesScreen({ api, user, project: id }: Props) {
  const [state, setState] = useState<ImageState | "">("");
  const [name, setName] = useState("");
  const [wanted, setWanted] = useState("");
  const [more, setMore] = useState<readonly ListedImage[]>([]);
  const [isWhole, setIsWhole] = useState(false);
  const project = useLoaded(() => api.project(id), [api, id]);
  const rating = useLoaded(() => ratingProgress(api, id), [api, id]);
  const page = (after: number) =>
    api.images(id, { limit: PAGE, after, name: wanted, ...(state && { state }) });
  const first = useLoaded(() => page(0), [api, id, state, wanted]);
  const images = [...(first.value ?? []), ...more];

  useEffect(() => {
    const timer = setTimeout(() => setWanted(name), TYPING_MS);
    return () => clearTimeout(timer);
  }, [name]);
  useEffect(() => {
    setMore([]);
    setIsWhole((first.value?.length ?? 0) < PAGE);
  }, [first.value]);

  const loadMore = async () => {
    const next = await page(images.at(-1)!.id);
    setMore((before) => [...before, ...next]);
    setIsWhole(next.length < PAGE);
  };
  const problem = project.problem ?? first.problem;
  if (problem)
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  if (!project.value) return null;
  const { progress, guideline } = project.value;
  const left = progress.waiting + progress.rejected;
  return (
    <>
      <div className="screen-head">
        <h1>{project.value.name}</h1>
        {user.role !== "annotator" && (
          <a className="button" href={hashOf({ screen: "dashboard", project: id })}>
            Figures
          </a>
        )}
        {user.role !== "annotator" && (
          <a className="button" href={hashOf({ screen: "privacy", project: id, image: null })}>
            Faces and plates
          </a>
        )}
        {user.role !== "annotator" && (
          <a className="button" href={hashOf({ screen: "quality", project: id })}>
            Quality
          </a>
        )}
        {(rating.value?.wanted ?? 0) > 0 && (
          <a className="button" href={hashOf({ screen: "rating", project: id })}>
            Rate masks
          </a>
        )}
        {user.role === "admin" && (
          <a className="button" href={hashOf({ screen: "webhooks", project: id })}>
            Webhooks
          </a>
        )}
        {user.role !== "annotator" && <ExportMenu api={api} user={user} project={id} />}
        <button
          type="button"
          className="primary"
          disabled={!left}
          onClick={() => go({ screen: "work", project: id, image: null })}
        >
          <Icon name="segment" /> Annotate next
        </button>
      </div>
      {guideline && <p className="guideline">{guideline}</p>}
      <ProgressBar progress={progress} />
      <UnsavedWork api={api} user={user} project={id} />
      {user.role === "admin" && (
        <UploadArea
          api={api}
          project={id}
          onAdded={() => {
            project.reload();
            first.reload();
          }}
        />
      )}
      <div className="filters" role="search">
        <input
          type="search"
          placeholder="Part of a name"
          aria-label="Part of a name"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <select
          aria-label="State"
          value={state}
          onChange={(event) => setState(event.target.value as ImageState | "")}
        >
          <option value="">all states</option>
          {STATES.map((one) => (
            <option key={one} value={one}>
              {STATE_NAMES[one]}
            </option>
          ))}
        </select>
      </div>
      {first.value?.length === 0 && (
        <p className="soft">{state || wanted ? "No such images." : "No images yet."}</p>
      )}
      <ul className="images" aria-label="Images">
        {images.map((image) => (
          <ImageCard key={image.id} api={api} user={user} image={image} />
        ))}
      </ul>
      {!isWhole && images.length > 0 && (
        <button type="button" className="more" onClick={() => void loadMore()}>
          More
        </button>
      )}
    </>
  );
}
