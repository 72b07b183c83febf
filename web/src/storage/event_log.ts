/** What a person does on an image, sent to the server in batches; its clock stamps them. */
import { type Api, ApiError } from "../api/client";
import type { LoggedAction } from "../api/wire";

type Data = LoggedAction["data"];

interface Entry {
  readonly kind: string;
  readonly annotationId: string | null;
  readonly data: Data;
  /** Milliseconds, of the page's own clock. */
  readonly at: number;
}

interface Batch {
  readonly key: string;
  readonly actions: readonly LoggedAction[];
}

const EVERY_MS = 5000;
const MAX_BATCH = 500;

export class EventLog {
  private entries: Entry[] = [];
  /** Sent until it is answered, always with the same content: its key stands for it. */
  private batch: Batch | null = null;
  private isSending = false;
  private readonly timer = setInterval(() => void this.flush(), EVERY_MS);

  constructor(
    private readonly api: Api,
    private readonly image: number,
  ) {}

  add(kind: string, annotationId: string | null, data: Data = {}): void {
    this.entries.push({ kind, annotationId, data, at: performance.now() });
  }

  /** Send what there is; what fails in passing is sent again with the next. */
  async flush(isParting = false): Promise<void> {
    if (this.isSending && !isParting) return;
    this.isSending = true;
    try {
      for (;;) {
        this.batch ??= this.pack();
        if (!this.batch) return;
        const { key, actions } = this.batch;
        await this.api.log(this.image, actions, key, isParting);
        this.batch = null;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.isPassing) this.batch = null; // it would never be taken
    } finally {
      this.isSending = false;
    }
  }

  /** The last of it goes out even if the page is left. */
  close(): void {
    clearInterval(this.timer);
    void this.flush(true);
  }

  private pack(): Batch | null {
    const entries = this.entries.splice(0, MAX_BATCH);
    if (!entries.length) return null;
    const now = performance.now();
    return {
      key: crypto.randomUUID(),
      actions: entries.map(({ kind, annotationId, data, at }) => ({
        kind,
        annotation_id: annotationId,
        age_seconds: Math.min(3600, (now - at) / 1000),
        data,
      })),
    };
  }
}
