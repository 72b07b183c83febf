/** What the page and the model's worker say to each other. */
import type { Answer, Prompt } from "../core/prompts";

/** What a page must know of a model. */
export interface ModelDescription {
  readonly model_id: string;
  /** Side of the model's square in pixels. */
  readonly image_size: number;
  readonly mask_threshold: number;
}

/** Where a model lies: the folder of model.json and its graphs, or a server's decoder. */
export type ModelSource =
  string | { readonly description: ModelDescription; readonly decoderUrl: string };

/** A picture that a server has embedded. */
export interface PreparedImage {
  readonly imageId: number;
  /** Of a safetensors file. */
  readonly embeddingUrl: string;
  /** (H, W) in pixels. */
  readonly originalSize: readonly [number, number];
}

export type Request =
  | { kind: "load"; source: ModelSource }
  | { kind: "encode"; id: number; image: ImageBitmap }
  | { kind: "fetch"; id: number; prepared: PreparedImage }
  | { kind: "decode"; id: number; prompt: Prompt };

export type Reply =
  | { kind: "loading"; fraction: number }
  /** `numThreads` is 0 where another machine does the work. */
  | { kind: "loaded"; description: ModelDescription; numThreads: number }
  | { kind: "encoded"; id: number; milliseconds: number }
  | { kind: "answer"; id: number; answer: Answer; milliseconds: number }
  /** `id` is null where nothing can go on. */
  | { kind: "failed"; id: number | null; message: string };

/** Where requests go and replies come from: a worker, a server, or a stand-in for tests. */
export interface Channel {
  postMessage(request: Request, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Reply>) => void): void;
}

/** A channel that can break as a whole, and be closed: a worker. */
export interface WorkerChannel extends Channel {
  addEventListener(type: "message", listener: (event: MessageEvent<Reply>) => void): void;
  addEventListener(type: "error", listener: () => void): void;
  terminate(): void;
}
