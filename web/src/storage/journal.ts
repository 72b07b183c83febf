/** Pictures and the work on them, kept in the browser's own database after every change. */
import type { Annotation, Draft, Finding, Sheet } from "../core/document";
import { type Rle, rleFromCoco, rleToCoco } from "../core/rle";
import type { KeptLog } from "./event_log";
import type { Known } from "./outbox";

const DATABASE = "anymask-studio";
const VERSION = 3;

/** A picture that was opened here, and its file. */
export interface KeptPicture {
  /** SHA-256 of the file, hexadecimal. */
  readonly hash: string;
  readonly name: string;
  readonly file: Blob;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
}

/** The work on a picture as it is stored: masks as COCO texts. */
export interface KeptWork {
  readonly hash: string;
  readonly annotations: readonly KeptAnnotation[];
  readonly draft: KeptAnnotation | null;
  readonly numBegun: number;
}

/** The work on a server's image, and what of it the server is known to have. */
export interface KeptServerWork {
  /** Of one person on one image with this content. */
  readonly key: string;
  readonly work: KeptWork;
  readonly known: readonly (readonly [string, Known])[];
}

type KeptAnnotation = Omit<Annotation, "mask" | "foundBy"> & {
  /** Missing in what earlier versions of the page kept. */
  readonly foundBy?: Finding | null;
  readonly mask: { size: [number, number]; counts: string };
};

const texts = new WeakMap<Rle, { size: [number, number]; counts: string }>();

/** A mask as COCO has it; made once for each mask. */
export function cocoOf(mask: Rle): { size: [number, number]; counts: string } {
  let text = texts.get(mask);
  if (!text) texts.set(mask, (text = rleToCoco(mask)));
  return text;
}

/** A sheet as it is stored. */
export function toKept(hash: string, { annotations, draft, numBegun }: Sheet): KeptWork {
  return { hash, annotations: annotations.map(kept), draft: draft && kept(draft), numBegun };
}

/** The inverse of `toKept`; the model's last answer is not kept, and asked again when needed. */
export function fromKept({ annotations, draft, numBegun }: KeptWork): Sheet {
  const withMask = (a: KeptAnnotation): Annotation => ({
    ...a,
    mask: rleFromCoco(a.mask),
    foundBy: a.foundBy ?? null,
  });
  const fresh = { question: null, answer: null, choice: 0, maskInput: null };
  const restored: Draft | null = draft && { ...withMask(draft), ...fresh };
  return { annotations: annotations.map(withMask), draft: restored, selected: null, numBegun };
}

function kept(annotation: Annotation): KeptAnnotation {
  const { id, name, colour, isHidden, isLocked, clicks, box, predictedIou, foundBy } = annotation;
  const mask = cocoOf(annotation.mask);
  return { id, name, colour, isHidden, isLocked, mask, clicks, box, predictedIou, foundBy };
}

/** The browser's database; every method is a transaction of its own. */
export class Journal {
  private constructor(private readonly database: IDBDatabase) {}

  static async open(): Promise<Journal> {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) {
        request.result.createObjectStore("pictures", { keyPath: "hash" });
        request.result.createObjectStore("work", { keyPath: "hash" });
      }
      if (oldVersion < 2) request.result.createObjectStore("server_work", { keyPath: "key" });
      request.result.createObjectStore("event_logs", { keyPath: "id" });
    };
    const database = await finished(request);
    database.onversionchange = () => database.close(); // a newer page in another tab waits for it
    return new Journal(database);
  }

  async keepPicture(picture: KeptPicture): Promise<void> {
    await this.write("pictures", (store) => store.put(picture));
  }

  async picture(hash: string): Promise<KeptPicture | undefined> {
    return finished<KeptPicture | undefined>(this.store("pictures").get(hash));
  }

  /** All pictures, the one opened last first. */
  async pictures(): Promise<KeptPicture[]> {
    const all = await finished<KeptPicture[]>(this.store("pictures").getAll());
    return all.sort((a, b) => b.openedAt - a.openedAt);
  }

  async keepWork(work: KeptWork): Promise<void> {
    await this.write("work", (store) => store.put(work));
  }

  async work(hash: string): Promise<KeptWork | undefined> {
    return finished<KeptWork | undefined>(this.store("work").get(hash));
  }

  /** Forget a picture and the work on it. */
  async forget(hash: string): Promise<void> {
    await this.write("work", (store) => store.delete(hash));
    await this.write("pictures", (store) => store.delete(hash));
  }

  async keepServerWork(work: KeptServerWork): Promise<void> {
    await this.write("server_work", (store) => store.put(work));
  }

  async serverWork(key: string): Promise<KeptServerWork | undefined> {
    return finished<KeptServerWork | undefined>(this.store("server_work").get(key));
  }

  /** All that a person has done on servers' images and not handed in. */
  async serverWorkOf(user: number): Promise<KeptServerWork[]> {
    const keys = IDBKeyRange.bound(`${user}/`, `${user}/\uffff`);
    return finished<KeptServerWork[]>(this.store("server_work").getAll(keys));
  }

  async forgetServerWork(key: string): Promise<void> {
    await this.write("server_work", (store) => store.delete(key));
  }

  /** Written at every click: not to be lost with the page, though perhaps with the machine. */
  async keepLog(log: KeptLog, replaced: readonly string[]): Promise<void> {
    const change = (store: IDBObjectStore) => {
      replaced.forEach((id) => store.delete(id));
      store.put(log);
    };
    await this.write("event_logs", change, "relaxed");
  }

  /** What a person's pages have not told the server, or had not when they died. */
  async logsOf(user: number): Promise<KeptLog[]> {
    const all = await finished<KeptLog[]>(this.store("event_logs").getAll());
    return all.filter((log) => log.user === user);
  }

  async forgetLog(id: string): Promise<void> {
    await this.write("event_logs", (store) => store.delete(id));
  }

  /** Resolves when the change is on the disk, and not as soon as it is asked for. */
  private write(
    name: string,
    change: (store: IDBObjectStore) => void,
    durability: IDBTransactionDurability = "strict",
  ): Promise<void> {
    const transaction = this.database.transaction(name, "readwrite", { durability });
    change(transaction.objectStore(name));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () =>
        reject(transaction.error ?? new Error("The browser's database failed."));
    });
  }

  private store(name: string): IDBObjectStore {
    return this.database.transaction(name).objectStore(name);
  }
}

/** SHA-256 of a file, hexadecimal: the same picture finds its work again, whatever its name. */
export async function contentHash(file: Blob): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function finished<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("The browser's database failed."));
  });
}
