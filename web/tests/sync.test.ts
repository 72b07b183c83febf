/** Saving to a server that fails, refuses and disagrees. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Api, ApiError } from "../src/api/client";
import type { MaskDraft, StoredMask, StudioImage } from "../src/api/wire";
import { type Annotation, type Sheet, newAnnotation } from "../src/core/document";
import { bitmapToRle } from "../src/core/rle";
import { type Journal, type KeptServerWork, fromKept } from "../src/storage/journal";
import { AT_REST, Sync, type SyncState } from "../src/storage/sync";

const IMAGE: StudioImage = {
  id: 7,
  project_id: 1,
  copy_number: 0,
  name: "cat.png",
  digest: "ab",
  width: 10,
  height: 8,
  state: "waiting",
  lease_user_id: 1,
  lease_until: 0,
};

const made = (id: string, at = 1): Annotation =>
  newAnnotation(
    id,
    bitmapToRle({ x0: at, y0: at, width: 2, height: 2, data: new Uint8Array(4).fill(1) }, [8, 10]),
    0,
  );

const sheet = (...annotations: Annotation[]): Sheet => ({
  annotations,
  draft: null,
  selected: null,
  numBegun: annotations.length,
});

/** A server with versions, which fails as it is told. */
class FakeApi {
  masks = new Map<string, StoredMask>();
  keys: string[] = [];
  failures: (ApiError | null)[] = [];

  private answer(): void {
    const failure = this.failures.shift();
    if (failure) throw failure;
  }

  async save(id: string, draft: MaskDraft, key: string): Promise<StoredMask> {
    this.keys.push(key);
    this.answer();
    const stored = this.masks.get(id);
    if ((stored?.version ?? 0) !== draft.version || stored?.is_deleted)
      throw new ApiError(409, "version", "version", stored ?? null);
    const { position, name, model_id, predicted_iou, prompts } = draft;
    const mask: StoredMask = {
      ...{ id, position, name, model_id, predicted_iou, prompts },
      version: draft.version + 1,
      author_id: 1,
      counts: draft.segmentation.counts,
      is_deleted: false,
    };
    this.masks.set(id, mask);
    return mask;
  }

  async remove(id: string, _image: number, version: number): Promise<StoredMask> {
    this.answer();
    const stored = this.masks.get(id)!;
    if (stored.version !== version) throw new ApiError(409, "version", "version", stored);
    this.masks.set(id, { ...stored, version: version + 1, is_deleted: true });
    return this.masks.get(id)!;
  }

  /** Somebody else changes a mask. */
  change(id: string, name: string): void {
    const stored = this.masks.get(id)!;
    this.masks.set(id, { ...stored, name, version: stored.version + 1 });
  }

  get there(): string[] {
    return [...this.masks.values()]
      .filter((mask) => !mask.is_deleted)
      .map(({ name, version }) => `${name} ${version}`);
  }
}

let api: FakeApi;
let kept: KeptServerWork | null;
let state: SyncState; // the last of those that were told
let told: SyncState["status"][];

function begun(): Sync {
  const journal = {
    keepServerWork: async (work: KeptServerWork) => void (kept = structuredClone(work)),
    forgetServerWork: async () => void (kept = null),
  };
  return new Sync(
    api as unknown as Api,
    journal as unknown as Journal,
    IMAGE,
    "1/7/ab",
    "small",
    sheet(),
    new Map(),
    (now) => {
      state = now;
      told.push(now.status);
    },
  );
}

beforeEach(() => {
  api = new FakeApi();
  kept = null;
  state = AT_REST;
  told = [];
  vi.stubGlobal("addEventListener", () => {});
  vi.stubGlobal("removeEventListener", () => {});
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("everything is in the journal before it is sent, and saved once", async () => {
  const sync = begun();
  const save = vi.spyOn(api, "save").mockImplementationOnce((...sent) => {
    expect(fromKept(kept!.work).annotations).toHaveLength(1);
    expect(kept!.known[0]![1].sent).not.toBeNull();
    return FakeApi.prototype.save.apply(api, sent);
  });
  const work = sheet({ ...made("a"), name: "cup" });
  sync.update(work);
  expect(await sync.settled()).toBe(true);
  expect(state).toMatchObject({ status: "saved", numWaiting: 0, problem: null });
  expect(state.kept).toBe(work);
  expect(told).toContain("saving");
  expect(api.there).toEqual(["cup 1"]);
  expect(save).toHaveBeenCalledOnce();
  await sync.finish();
  expect(kept).toBeNull();
});

test("a save that failed is sent again under the same key", async () => {
  vi.useFakeTimers();
  api.failures = [new ApiError(0, "no network"), new ApiError(503, "busy")];
  const sync = begun();
  sync.update(sheet(made("a")));
  await vi.waitFor(() => expect(state.status).toBe("offline"));
  expect(state.numWaiting).toBe(1);
  await vi.waitFor(() => {
    vi.advanceTimersByTime(1000);
    expect(state.status).toBe("saved");
  });
  expect(new Set(api.keys).size).toBe(1);
  expect(api.keys).toHaveLength(3);
});

test("what is told is about the work that is in the journal, also between saves", async () => {
  vi.useFakeTimers();
  const sync = begun();
  const work = sheet(made("a"));
  const drawing = { ...work, draft: null, numBegun: 2 }; // nothing of it is for the server
  sync.update(work);
  await vi.waitFor(() => expect(state.kept).toBe(work));
  sync.update(drawing);
  expect(state.kept).toBe(work);
  await vi.waitFor(() => expect(state.kept).toBe(drawing));
  expect(state.status).toBe("saved");

  api.failures = [new ApiError(0, "no network")];
  sync.update(sheet(made("a", 2)));
  await vi.waitFor(() => expect(state.status).toBe("offline"));
  const later = sheet(made("a", 3), made("b"));
  sync.update(later);
  await vi.waitFor(() => expect(state.kept).toBe(later));
  expect(state).toMatchObject({ status: "offline", numWaiting: 2 });
});

test("a lost lease stops, and goes on when asked", async () => {
  api.failures = [new ApiError(409, "image 7 must be leased to you.", "lease")];
  const sync = begun();
  sync.update(sheet(made("a")));
  expect(await sync.settled()).toBe(false);
  expect(state).toMatchObject({ status: "lost", numWaiting: 1 });
  sync.retry();
  expect(await sync.settled()).toBe(true);
  expect(api.there).toEqual([" 1"]);
});

test("what is deleted and brought back is a new mask", async () => {
  const sync = begun();
  sync.update(sheet(made("a")));
  await sync.settled();
  sync.update(sheet());
  await sync.settled();
  expect(api.there).toEqual([]);
  sync.update(sheet(made("a")));
  await sync.settled();
  expect(api.there).toEqual([" 1"]);
  expect(api.masks.get("a")!.is_deleted).toBe(true);
  expect(sync.idOf("a")).not.toBe("a");
});

/** An object that was changed here and elsewhere, and another one that was not. */
async function inConflict(): Promise<Sync> {
  const sync = begun();
  sync.update(sheet(made("a"), made("b", 3)));
  await sync.settled();
  api.change("a", "theirs");
  sync.update(sheet({ ...made("a"), name: "mine" }, { ...made("b", 3), name: "other" }));
  expect(await sync.settled()).toBe(false);
  expect(api.there).toEqual(["theirs 2", "other 2"]); // it does not stop the rest
  expect(state.conflicts).toHaveLength(1);
  expect(state.conflicts[0]).toMatchObject({ mine: { name: "mine" }, theirs: { name: "theirs" } });
  return sync;
}

test("in a conflict mine takes the place of theirs", async () => {
  const sync = await inConflict();
  sync.resolve("a", false);
  expect(await sync.settled()).toBe(true);
  expect(api.there).toEqual(["mine 3", "other 2"]);
});

test("in a conflict theirs stays, or both do", async () => {
  const sync = await inConflict();
  const theirs = state.conflicts[0]!.theirs!;
  const other = { ...made("b", 3), name: "other" };
  sync.update(sheet(theirs, other, { ...made("c"), name: "mine" }));
  sync.resolve("a", true);
  expect(await sync.settled()).toBe(true);
  expect(api.there).toEqual(["theirs 2", "other 2", "mine 1"]);
});

test("a mask that was deleted elsewhere stays deleted, or comes back as a new one", async () => {
  for (const keepsStored of [true, false]) {
    api = new FakeApi();
    const sync = begun();
    sync.update(sheet(made("a")));
    await sync.settled();
    await api.remove("a", 7, 1);
    sync.update(sheet({ ...made("a"), name: "mine" }));
    expect(await sync.settled()).toBe(false);
    expect(state.conflicts[0]!.theirs).toBeNull();
    if (keepsStored) sync.update(sheet());
    sync.resolve("a", keepsStored);
    expect(await sync.settled()).toBe(true);
    expect(api.there).toEqual(keepsStored ? [] : ["mine 1"]);
  }
});
