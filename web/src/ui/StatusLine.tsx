/** One quiet line below the picture: the model, the object in hand, whether the work is kept. */
import type { Draft } from "../core/document";
import { rleArea } from "../core/rle";
import type { Size } from "../core/viewport";
import type { SaveState } from "./use_kept_work";
import type { ModelStatus } from "./use_model";

const SAVE_TEXTS: Record<SaveState, string> = {
  saved: "Kept in this browser",
  saving: "Keeping…",
  failed: "Not kept: the browser's storage is full. Export your work.",
};

interface Props {
  readonly status: ModelStatus;
  readonly saveState: SaveState;
  readonly draft: Draft | null;
  readonly size: Size;
}

export function StatusLine({ status, saveState, draft, size }: Props) {
  const { encodeMilliseconds, numThreads, failure } = status;
  const threads = `${numThreads} ${numThreads === 1 ? "thread" : "threads"}`;
  return (
    <footer className="status-line">
      <span role="status" className={failure ? "problem" : ""}>
        {failure ??
          (encodeMilliseconds === null
            ? "Looking at the picture…"
            : draft
              ? draftText(draft)
              : "Ready")}
      </span>
      <span>
        {size.width} × {size.height}
        {encodeMilliseconds !== null &&
          ` · seen in ${(encodeMilliseconds / 1000).toFixed(1)} s, ${threads}`}
      </span>
      <span className={saveState === "failed" ? "problem" : ""}>{SAVE_TEXTS[saveState]}</span>
    </footer>
  );
}

function draftText({ mask, predictedIou, question }: Draft): string {
  if (question !== null) return "…";
  const quality =
    predictedIou === null ? "" : `, estimated quality ${Math.round(100 * predictedIou)} %`;
  return `Mask of ${rleArea(mask).toLocaleString()} pixels${quality}`;
}
