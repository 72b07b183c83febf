/** The model behind the API, spoken to like the worker: for browsers that cannot run it. */
import type { Answer, Prompt } from "../core/prompts";
import { floatsOfHalves, halvesOfFloats } from "../model/safetensors";
import type { Channel, ModelSource, Reply, Request } from "../model/protocol";
import { type Api, ApiError } from "./client";
import type { MaskAnswers } from "./wire";

const RETRY_MS = 2000;

export class ServerChannel implements Channel {
  private readonly target = new EventTarget();
  private imageId = 0;

  constructor(private readonly api: Api) {}

  addEventListener(type: "message", listener: (event: MessageEvent<Reply>) => void): void {
    this.target.addEventListener(type, listener as EventListener);
  }

  postMessage(request: Request): void {
    if (request.kind === "load") this.reply(loaded(request.source));
    else if (request.kind === "fetch") {
      this.imageId = request.prepared.imageId;
      this.reply({ kind: "encoded", id: request.id, milliseconds: 0 });
    } else if (request.kind === "decode") void this.decode(request.id, request.prompt);
    else this.reply(failed(request.id, "This server encodes only pictures that it has."));
  }

  private async decode(id: number, prompt: Prompt): Promise<void> {
    const started = performance.now();
    try {
      const answer = answerOf(await this.ask(this.imageId, questionOf(prompt)));
      const milliseconds = performance.now() - started;
      this.reply({ kind: "answer", id, answer, milliseconds });
    } catch (error) {
      this.reply(failed(id, (error as Error).message));
    }
  }

  /** Asks until there is an answer, yes or no. */
  private async ask(image: number, question: unknown): Promise<MaskAnswers> {
    for (;;)
      try {
        return await this.api.masks(image, question);
      } catch (error) {
        if (!(error instanceof ApiError && error.isPassing)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
  }

  private reply(data: Reply): void {
    // Later, as a worker's replies come.
    queueMicrotask(() => this.target.dispatchEvent(new MessageEvent("message", { data })));
  }
}

function loaded(source: ModelSource): Reply {
  return typeof source === "string"
    ? failed(null, "A folder of graphs cannot be asked.")
    : { kind: "loaded", description: source.description, numThreads: 0 };
}

function failed(id: number | null, message: string): Reply {
  return { kind: "failed", id, message };
}

function questionOf({ clicks, box, maskInput }: Prompt) {
  return {
    point_coords: clicks.map(({ x, y }) => [x, y]),
    point_labels: clicks.map(({ label }) => label),
    box,
    mask_input: maskInput && toBase64(halvesOfFloats(maskInput)),
  };
}

/** The server gives the one mask of a clear prompt, or the three of an ambiguous one. */
export function answerOf({ best, masks }: MaskAnswers): Answer {
  const logits = masks.map(({ low_res_logits }) => floatsOfHalves(fromBase64(low_res_logits)));
  const ious = masks.map(({ predicted_iou }) => predicted_iou);
  const size = logits[0]!.length;
  const side = Math.sqrt(size);
  if (masks.length === 1) return { logits: logits[0]!, side, ious, best };
  // The single mask's place is there, and never chosen.
  const all = new Float32Array((1 + masks.length) * size);
  logits.forEach((one, i) => all.set(one, (1 + i) * size));
  return { logits: all, side, ious: [0, ...ious], best: 1 + best };
}

function toBase64(values: Uint16Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(text: string): Uint16Array {
  return new Uint16Array(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
}
