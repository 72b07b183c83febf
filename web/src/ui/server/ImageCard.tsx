/** One image of the list, which opens it for whoever may work on it. */
import type { Api } from "../../api/client";
import type { ListedImage, User } from "../../api/wire";
import { STATE_NAMES } from "./ProgressBar";
import { hashOf } from "./route";

export function ImageCard({ api, user, image }: { api: Api; user: User; image: ListedImage }) {
  const { id, project_id: project, name, state, masks, lease_user_id, lease_until } = image;
  const { copy_number } = image;
  const isDone = state === "submitted" || state === "accepted";
  const isOthers =
    lease_user_id !== null && lease_user_id !== user.id && lease_until > Date.now() / 1000;
  const screen = isDone ? "review" : "work";
  const canOpen = !isOthers && (!isDone || user.role !== "annotator");
  const content = (
    <>
      <img src={api.thumbnailUrl(id)} alt="" loading="lazy" />
      <span className="image-name">
        {name}
        {copy_number > 0 && <span className="soft"> · set {copy_number + 1}</span>}
      </span>
      <span className="image-facts">
        <span className={`badge state-${state}`}>{isOthers ? "in work" : STATE_NAMES[state]}</span>
        {masks} {masks === 1 ? "mask" : "masks"}
      </span>
    </>
  );
  return (
    <li>
      {canOpen ? (
        <a className="image" href={hashOf({ screen, project, image: id })}>
          {content}
        </a>
      ) : (
        <div className="image image-closed">{content}</div>
      )}
    </li>
  );
}
