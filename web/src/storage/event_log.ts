/** What a person does on an image: kept in the browser, and sent to the server, whose clock stamps it. */
import { type Api, ApiError } from "../api/client";
import type { LoggedAction } from "../api/wire";
import type { Journal } from "./journal";

type Data = LoggedAction["data"];

interface Entry {
  readonly kind: string;
  readonly annotationId: string | null;
  readonly data: Data;
  /** Milliseconds since 1970, by the browser's clock. */
  readonly at: number;
}

/** What is sent together: the server takes what comes under one key only once. */
interface Batch {
  readonly key: string;
  readonly image: number;
  readonly entries: readonly Entry[];
}

/** What one page has not told the server yet, in the journal. */
export interface KeptLog {
  readonly id: string;
  readonly user: number;
  readonly batches: readonly Batch[];
}

const EVERY_MS = 5000;
const MAX_BATCH = 500;

export class EventLog {
  /** In order; the last one takes what is added. */
  private batches: readonly Batch[];
  private isSending = false;
  private readonly timer = setInterval(() => void this.flush(), EVERY_MS);

  private constructor(
    private readonly api: Api,
    private readonly journal: Journal,
    private readonly id: string,
    private readonly user: number,
    private readonly image: number,
    left: readonly Batch[],
    private readonly letGo: () => void,
  ) {
    this.batches = [...left, this.newBatch()];
    addEventListener("pagehide", this.part);
  }

  /** A log for an image, which also sends what pages that died have left. */
  static async open(api: Api, journal: Journal, user: number, image: number): Promise<EventLog> {
    const id = crypto.randomUUID();
    const letGo = await held(lockOf(id));
    const { held: locks = [] } = await navigator.locks.query();
    const alive = new Set(locks.map(({ name }) => name));
    const left = (await journal.logsOf(user)).filter((log) => !alive.has(lockOf(log.id)));
    const batches = left.flatMap((log) => log.batches).filter(({ entries }) => entries.length);
    const log = new EventLog(api, journal, id, user, image, batches, letGo);
    await log.keep(left.map((one) => one.id));
    return log;
  }

  add(kind: string, annotationId: string | null, data: Data = {}): void {
    const last = this.batches.at(-1)!;
    const entries = [...last.entries, { kind, annotationId, data, at: Date.now() }];
    this.batches = [...this.batches.slice(0, -1), { ...last, entries }];
    if (entries.length >= MAX_BATCH) this.batches = [...this.batches, this.newBatch()];
    void this.keep();
  }

  /** Send what there is; what fails in passing is sent again with the next. */
  async flush(isParting = false): Promise<void> {
    if (this.isSending && !isParting) return;
    this.isSending = true;
    try {
      for (let batch = this.next(); batch; batch = this.next()) {
        if (!(await this.send(batch, isParting))) return;
        this.batches = this.batches.filter((one) => one !== batch);
        void this.keep();
      }
    } finally {
      this.isSending = false;
    }
  }

  /** The last of it goes out even if the page is left; what does not is for the next page. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    removeEventListener("pagehide", this.part);
    await this.flush(true);
    if (!this.next()) await this.journal.forgetLog(this.id).catch(() => {});
    this.letGo();
  }

  private readonly part = () => void this.flush(true);

  /** The first batch with something in it, which takes nothing more. */
  private next(): Batch | undefined {
    const [first] = this.batches;
    if (!first?.entries.length) return undefined;
    if (this.batches.length === 1) this.batches = [first, this.newBatch()];
    return first;
  }

  /** Whether it need not be sent again: the server has it, or would never take it. */
  private async send({ key, image, entries }: Batch, isParting: boolean): Promise<boolean> {
    const now = Date.now();
    const actions = entries.map(({ kind, annotationId, data, at }) => ({
      kind,
      annotation_id: annotationId,
      age_seconds: Math.min(3600, Math.max(0, now - at) / 1000),
      data,
    }));
    try {
      await this.api.log(image, actions, key, isParting);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return !error.isPassing && error.status !== 401; // who logs in again may send it
    }
  }

  /** Every state is written; where the browser cannot, the server still gets it. */
  private async keep(replaced: readonly string[] = []): Promise<void> {
    const { id, user, batches } = this;
    await this.journal.keepLog({ id, user, batches }, replaced).catch(() => {});
  }

  private newBatch(): Batch {
    return { key: crypto.randomUUID(), image: this.image, entries: [] };
  }
}

/** Held by a page as long as it lives: who finds it free may send what the page has left. */
const lockOf = (id: string) => `anymask-events-${id}`;

/** Takes a lock; the result lets it go. */
function held(name: string): Promise<() => void> {
  return new Promise((taken) => {
    void navigator.locks.request(name, () => new Promise<void>((letGo) => taken(letGo)));
  });
}
