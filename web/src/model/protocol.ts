/** What the page and the model's worker say to each other. */
import type { Answer, Prompt } from "../core/prompts";

/** `model/model.json`, written beside the graphs. */
export interface ModelDescription {
  readonly model_id: string;
  /** Side of the model's square in pixels. */
  readonly image_size: number;
  readonly mask_threshold: number;
  /** The graphs' bytes, for the progress bar. */
  readonly num_bytes: number;
}

export type Request =
  | { kind: "load"; modelUrl: string }
  | { kind: "encode"; id: number; image: ImageBitmap }
  | { kind: "decode"; id: number; prompt: Prompt };

export type Reply =
  | { kind: "loading"; fraction: number }
  | { kind: "loaded"; description: ModelDescription; numThreads: number }
  | { kind: "encoded"; id: number; milliseconds: number }
  | { kind: "answer"; id: number; answer: Answer; milliseconds: number }
  /** `id` is null where nothing can go on. */
  | { kind: "failed"; id: number | null; message: string };
