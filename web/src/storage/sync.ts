/** Saves the work on a server's image: journal first, then the server, until both have it. */
import { type Api, ApiError } from "../api/client";
import type { StoredMask, StudioImage } from "../api/wire";
import type { Annotation, Sheet } from "../core/document";
import { type Journal, toKept } from "./journal";
import {
  type Change,
  type Known,
  annotationOf,
  changes,
  draftOf,
  drawingOf,
  knownOf,
  unknown,
} from "./outbox";

/** Two versions of one object, of which a person has to choose. */
export interface Conflict {
  readonly id: string;
  /** Null where it was deleted here. */
  readonly mine: Annotation | null;
  /** Null where it was deleted there. */
  readonly theirs: Annotation | null;
}

export interface SyncState {
  /** The work that this is about, which the journal has; null before anything is known. */
  readonly kept: Sheet | null;
  readonly status: "saved" | "saving" | "offline" | "lost" | "refused";
  /** Changes that the server does not have. */
  readonly numWaiting: number;
  readonly conflicts: readonly Conflict[];
  /** The server's words where it refused. */
  readonly problem: string | null;
}

type End = Pick<SyncState, "status" | "problem">;

export const AT_REST: SyncState = {
  kept: null,
  status: "saved",
  numWaiting: 0,
  conflicts: [],
  problem: null,
};

const RETRY_SECONDS = [1, 2, 4, 8, 15];

export class Sync {
  /** Changes that the server took. */
  numSaved = 0;
  private readonly known: Map<string, Known>;
  /** What is stored of the objects in conflict, null for nothing. */
  private readonly conflicts = new Map<string, StoredMask | null>();
  private kept: Sheet;
  private status: SyncState["status"] = "saved";
  private isRunning = false;
  private isClosed = false;
  private numFailures = 0;
  private wake: () => void = () => {};
  private journalled = Promise.resolve();
  private isJournalFull = false;
  private waiters: ((isSaved: boolean) => void)[] = [];

  constructor(
    private readonly api: Api,
    private readonly journal: Journal,
    private readonly image: StudioImage,
    private readonly key: string,
    private readonly modelId: string,
    private sheet: Sheet,
    known: ReadonlyMap<string, Known>,
    private readonly onState: (state: SyncState) => void,
  ) {
    this.known = new Map(known);
    this.kept = sheet;
    addEventListener("online", this.retry);
  }

  /** Take the work as it is now; saving begins. */
  update(sheet: Sheet): void {
    this.sheet = sheet;
    // While saves are on their way, or wait for the network, more of them change nothing else.
    void this.keep().then(() => (this.isRunning ? this.tell(this.status) : this.run()));
  }

  /** Try again now what failed, or what a lost lease stopped. */
  readonly retry = (): void => {
    this.numFailures = 0;
    this.wake();
    void this.run();
  };

  get numWaiting(): number {
    return this.changes().length;
  }

  /** Resolves to true once all is saved, to false when that needs a person first. */
  settled(): Promise<boolean> {
    if (!this.numWaiting) return Promise.resolve(true);
    void this.run();
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  /** The id that the server has, or will have, of an object. */
  idOf(id: string): string {
    return this.known.get(id)?.id ?? id;
  }

  /**
   * End a conflict. What the page has to show is the caller's to do, and comes back as an update.
   *
   * @param keepsStored whether the stored mask stays under its id; else the page's takes its place.
   */
  resolve(id: string, keepsStored: boolean): void {
    const stored = this.conflicts.get(id) ?? null;
    const before = this.known.get(id) ?? unknown(id);
    this.conflicts.delete(id);
    const isThere = stored !== null && !stored.is_deleted;
    if (!isThere && keepsStored) this.known.set(id, { ...before, isDeleted: true });
    else if (!isThere) this.known.set(id, unknown(crypto.randomUUID()));
    else this.known.set(id, knownOf(stored, drawingOf(this.theirs(id, stored))));
    void this.run();
  }

  /** Forget the journal of the image: all is saved, and the work on it done. */
  async finish(): Promise<void> {
    this.close();
    await this.journalled;
    await this.journal.forgetServerWork(this.key);
  }

  /** Stop; what is not saved stays in the journal. */
  close(): void {
    this.isClosed = true;
    removeEventListener("online", this.retry);
    this.wake();
  }

  private changes(): Change[] {
    return changes(this.sheet.annotations, this.known);
  }

  private next(): Change | undefined {
    return this.changes().find((change) => !this.conflicts.has(idOf(change)));
  }

  /** Saves until all is saved, or what is left waits for a person. */
  private async run(): Promise<void> {
    if (this.isRunning || this.isClosed) return;
    this.isRunning = true;
    let end: End;
    try {
      end = await this.sendAll();
    } finally {
      this.isRunning = false;
    }
    if (end.status === "saved" && this.next()) return this.run(); // it came in the last moment
    this.tell(end.status, end.problem);
  }

  /** One change after the other. */
  private async sendAll(): Promise<End> {
    for (let change = this.next(); change && !this.isClosed; change = this.next()) {
      this.tell("saving");
      try {
        await this.send(change);
        this.numFailures = 0;
        this.numSaved++;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const end = await this.endOf(error, idOf(change));
        if (end) return end;
      }
    }
    return { status: "saved", problem: null };
  }

  private async send(change: Change): Promise<void> {
    if (change.kind === "remove") {
      const { id, version } = this.known.get(change.id)!;
      const stored = await this.api.remove(id, this.image.id, version);
      this.known.set(change.id, knownOf(stored, ""));
    } else {
      const { id } = change.annotation;
      const before = this.known.get(id) ?? unknown(id);
      // What was deleted there cannot come back under its id.
      const there = before.isDeleted ? unknown(crypto.randomUUID()) : before;
      const drawing = drawingOf(change.annotation);
      this.known.set(id, { ...there, sent: drawing });
      await this.keep();
      const body = draftOf(change, there, this.image.id, this.modelId);
      const stored = await this.api.save(there.id, body, await keyOf(there.id, body));
      this.known.set(id, knownOf(stored, drawing));
    }
    await this.keep();
  }

  /** What an error ends with; null where there is more to do, perhaps after a pause. */
  private async endOf(error: ApiError, id: string): Promise<End | null> {
    if (error.status === 409 && error.field === "version") {
      this.conflicts.set(id, error.current);
      return null;
    }
    if (error.status === 409) return { status: "lost", problem: error.message };
    if (!error.isPassing) return { status: "refused", problem: error.message };
    this.tell("offline");
    const seconds = RETRY_SECONDS[Math.min(this.numFailures++, RETRY_SECONDS.length - 1)]!;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1000 * seconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return null;
  }

  private tell(status: SyncState["status"], problem: string | null = null): void {
    if (status === "saved" || status === "lost" || status === "refused")
      for (const waiter of this.waiters.splice(0)) waiter(!this.numWaiting);
    this.status = status;
    if (this.isClosed) return;
    const conflicts = [...this.conflicts].map(([id, stored]) => ({
      id,
      mine: this.sheet.annotations.find((annotation) => annotation.id === id) ?? null,
      theirs: stored === null || stored.is_deleted ? null : this.theirs(id, stored),
    }));
    const full = this.isJournalFull ? "The browser's storage is full: leave this page open." : null;
    const { kept, numWaiting } = this;
    this.onState({ kept, status, numWaiting, conflicts, problem: problem ?? full });
  }

  private theirs(id: string, stored: StoredMask): Annotation {
    const { width, height } = this.image;
    const mine = this.sheet.annotations.find((annotation) => annotation.id === id);
    const theirs = annotationOf(stored, id, [height, width], 0);
    return mine ? { ...theirs, colour: mine.colour } : theirs;
  }

  /** Writes come after each other, each with the latest state; the server gets it all the same. */
  private keep(): Promise<void> {
    this.journalled = this.journalled.then(async () => {
      const { sheet } = this;
      const work = toKept(this.key, sheet);
      const entry = { key: this.key, work, known: [...this.known] };
      this.isJournalFull = await this.journal.keepServerWork(entry).then(
        () => false,
        () => true,
      );
      this.kept = sheet;
    });
    return this.journalled;
  }
}

const idOf = (change: Change) => (change.kind === "save" ? change.annotation.id : change.id);

/** The same for the same save, so that one sent again after a crash is known to be the same. */
async function keyOf(id: string, body: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(`${id} ${JSON.stringify(body)}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
