/** The page's side of the model: clicks go first, of previews only the latest is asked. */
import { type Answer, type Prompt, isSamePrompt } from "../core/prompts";
import type { Channel, ModelDescription, ModelSource, PreparedImage, Reply } from "./protocol";

export interface ModelEvents {
  /** Bytes of the model that have come, 0 to 1. */
  onLoading(fraction: number): void;
  onLoaded(description: ModelDescription, numThreads: number): void;
  /** The picture of `open` can be asked about. */
  onEncoded(milliseconds: number): void;
  /** The model cannot work here. */
  onFailed(message: string): void;
}

interface Asked {
  readonly prompt: Prompt;
  /** All who asked the same meanwhile. */
  readonly listeners: ((answer: Answer) => void)[];
}

export class ModelClient {
  private image = 0; // counts pictures, so that late answers about an earlier one are dropped
  private isEncoded = false;
  private id = 0;
  private running: { id: number; asked: Asked; image: number } | null = null;
  private questions: Asked[] = [];
  private preview: Asked | null = null;
  /** A click where a preview has looked need not wait. */
  private last: { prompt: Prompt; answer: Answer } | null = null;

  constructor(
    private readonly channel: Channel,
    private readonly events: ModelEvents,
  ) {
    channel.addEventListener("message", ({ data }) => this.receive(data));
  }

  /** Before any picture; again before one that was encoded by another model. */
  load(source: ModelSource): void {
    this.channel.postMessage({ kind: "load", source });
  }

  /** Encode a picture; prompts asked meanwhile wait for it. */
  open(image: ImageBitmap): void {
    this.begin();
    this.channel.postMessage({ kind: "encode", id: this.image, image }, [image]);
  }

  /** Fetch what a server has encoded; prompts asked meanwhile wait for it. */
  openPrepared(prepared: PreparedImage): void {
    this.begin();
    this.channel.postMessage({ kind: "fetch", id: this.image, prepared });
  }

  /** Ask about the picture; every question is answered, in order. */
  ask(prompt: Prompt, onAnswer: (answer: Answer) => void): void {
    this.preview = null;
    if (this.questions.length || !this.joins(prompt, onAnswer))
      this.questions.push({ prompt, listeners: [onAnswer] });
    this.next();
  }

  /** Ask when nothing else is to do; a later preview or question takes the place of this one. */
  askPreview(prompt: Prompt, onAnswer: (answer: Answer) => void): void {
    if (!this.joins(prompt, onAnswer)) this.preview = { prompt, listeners: [onAnswer] };
    this.next();
  }

  private begin(): void {
    this.image++;
    this.isEncoded = false;
    this.questions = [];
    this.preview = null;
    this.last = null;
  }

  /** Takes the answer to the same prompt, if it is there or on its way. */
  private joins(prompt: Prompt, onAnswer: (answer: Answer) => void): boolean {
    const { last, running } = this;
    if (last && isSamePrompt(last.prompt, prompt)) onAnswer(last.answer);
    else if (running?.image === this.image && isSamePrompt(running.asked.prompt, prompt))
      running.asked.listeners.push(onAnswer);
    else return false;
    return true;
  }

  private next(): void {
    if (this.running || !this.isEncoded) return;
    const asked = this.questions.shift() ?? this.preview;
    if (!asked) return;
    if (asked === this.preview) this.preview = null;
    this.running = { id: ++this.id, asked, image: this.image };
    this.channel.postMessage({ kind: "decode", id: this.id, prompt: asked.prompt });
  }

  private receive(message: Reply): void {
    switch (message.kind) {
      case "loading":
        return this.events.onLoading(message.fraction);
      case "loaded":
        return this.events.onLoaded(message.description, message.numThreads);
      case "encoded":
        if (message.id !== this.image) return;
        this.isEncoded = true;
        this.events.onEncoded(message.milliseconds);
        return this.next();
      case "answer": {
        const { running } = this;
        this.running = null;
        if (running?.image === this.image) {
          const { prompt, listeners } = running.asked;
          this.last = { prompt, answer: message.answer };
          listeners.forEach((onAnswer) => onAnswer(message.answer));
        }
        return this.next();
      }
      case "failed":
        this.running = null;
        return this.events.onFailed(message.message);
    }
  }
}
