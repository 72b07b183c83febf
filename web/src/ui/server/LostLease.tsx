/** The image is somebody else's now: nothing can be changed until it is leased again. */
import type { StudioImage } from "../../api/wire";
import { hashOf } from "./route";

interface Props {
  readonly image: StudioImage;
  /** The server's words. */
  readonly reason: string;
  readonly onReopen: () => void;
}

export function LostLease({ image, reason, onReopen }: Props) {
  return (
    <div className="toast toast-problem" role="alert">
      <div>
        <strong>This image is not yours any more.</strong> What is not saved stays in this browser.
        <small>{reason}</small>
      </div>
      <button type="button" className="primary" onClick={onReopen}>
        Take it again
      </button>
      <a className="button" href={hashOf({ screen: "images", project: image.project_id })}>
        Other images
      </a>
    </div>
  );
}
