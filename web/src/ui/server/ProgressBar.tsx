/** How far a project's images have come, as one bar and in words. */
import type { ImageState, Progress } from "../../api/wire";

export const STATES: readonly ImageState[] = ["waiting", "rejected", "submitted", "accepted"];
export const STATE_NAMES: Record<ImageState, string> = {
  waiting: "to do",
  rejected: "sent back",
  submitted: "in review",
  accepted: "accepted",
};

export function ProgressBar({ progress }: { progress: Progress }) {
  const total = STATES.reduce((sum, state) => sum + progress[state], 0);
  const words = [...STATES]
    .reverse()
    .filter((state) => progress[state] > 0)
    .map((state) => `${progress[state]} ${STATE_NAMES[state]}`);
  return (
    <div className="progress">
      <div className="progress-bar" aria-hidden="true">
        {["accepted", "submitted", "rejected"].map((state) => (
          <span
            key={state}
            className={`state-${state}`}
            style={{ width: `${(100 * progress[state as ImageState]) / Math.max(1, total)}%` }}
          />
        ))}
      </div>
      <p>
        {total === 0 ? "No images yet" : words.join(", ")} · {progress.masks.toLocaleString()}{" "}
        {progress.masks === 1 ? "mask" : "masks"}
      </p>
    </div>
  );
}
