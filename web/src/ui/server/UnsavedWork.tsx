/** Images of a project whose work is in this browser and not on the server: opening one saves it. */
import type { Api } from "../../api/client";
import type { StudioImage, User } from "../../api/wire";
import { Journal, fromKept } from "../../storage/journal";
import { changes, workKey } from "../../storage/outbox";
import { hashOf } from "./route";
import { useLoaded } from "./use_loaded";

interface Props {
  readonly api: Api;
  readonly user: User;
  readonly project: number;
}

export function UnsavedWork({ api, user, project }: Props) {
  const { value: images } = useLoaded(() => unsaved(api, user, project), [api, user, project]);
  if (!images?.length) return null;
  return (
    <p className="unsaved" role="status">
      Not saved yet, open to save:{" "}
      {images.map(({ id, name }) => (
        <a key={id} href={hashOf({ screen: "work", project, image: id })}>
          {name}
        </a>
      ))}
    </p>
  );
}

async function unsaved(api: Api, user: User, project: number): Promise<StudioImage[]> {
  const journal = await Journal.open();
  const kept = await journal.serverWorkOf(user.id);
  const waiting = kept.filter(
    ({ work, known }) => changes(fromKept(work).annotations, new Map(known)).length > 0,
  );
  const images = await Promise.all(
    waiting.map(({ key }) => api.image(Number(key.split("/")[1])).catch(() => null)),
  );
  // Another database may have lived at this address.
  const keys = new Set(waiting.map(({ key }) => key));
  return images.filter(
    (image): image is StudioImage =>
      image !== null && image.project_id === project && keys.has(workKey(user.id, image)),
  );
}
