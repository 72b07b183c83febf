/** One quiet line below the picture: the model, the object in hand, whether the work is kept. */
import type { Draft } from "../core/document";
import { rleArea } from "../core/rle";
import type { Size } from "../core/viewport";
import type { ModelStatus } from "./use_model";

/** Whether the work is kept, in words. */
export interface Saving {
  readonly text: string;
  readonly isProblem: boolean;
}

interface Props {
  readonly status: ModelStatus;
  readonly saving: Saving;
  readonly draft: Draft | null;
  /** What happened last. */
  readonly note: string;
  readonly size: Size;
}

export function StatusLine({ status, saving, draft, note, size }: Props) {
  const { encodeMilliseconds, numThreads, failure } = status;
  const threads = `${numThreads} ${numThreads === 1 ? "thread" : "threads"}`;
  const seconds = ((encodeMilliseconds ?? 0) / 1000).toFixed(1);
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
      <span className="note" role="log" aria-label="What happened">
        {note}
      </span>
      <span>
        {size.width} × {size.height}
        {encodeMilliseconds !== null &&
          (numThreads ? ` · seen in ${seconds} s, ${threads}` : " · answered by the server")}
      </span>
      <span className={saving.isProblem ? "problem" : ""}>{saving.text}</span>
    </footer>
  );
}

function draftText({ mask, predictedIou, question }: Draft): string {
  if (question !== null) return "…";
  const quality =
    predictedIou === null ? "" : `, estimated quality ${Math.round(100 * predictedIou)} %`;
  return `Mask of ${rleArea(mask).toLocaleString()} pixels${quality}`;
}
