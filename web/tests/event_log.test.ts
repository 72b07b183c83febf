/** The log of what people do: kept while it is on its way, also by pages that died. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Api, ApiError } from "../src/api/client";
import type { LoggedAction } from "../src/api/wire";
import { EventLog, type KeptLog } from "../src/storage/event_log";
import type { Journal } from "../src/storage/journal";

interface Sent {
  readonly image: number;
  readonly key: string;
  readonly ages: readonly number[];
  readonly kinds: readonly string[];
}

let sent: Sent[];
let failures: (ApiError | null)[];
let kept: Map<string, KeptLog>;

const api = {
  log: async (image: number, actions: readonly LoggedAction[], key: string) => {
    const ages = actions.map(({ age_seconds }) => Math.round(age_seconds));
    sent.push({ image, key, ages, kinds: actions.map(({ kind }) => kind) });
    const failure = failures.shift();
    if (failure) throw failure;
  },
} as unknown as Api;

const journal = {
  keepLog: async (log: KeptLog, replaced: readonly string[]) => {
    replaced.forEach((id) => kept.delete(id));
    kept.set(log.id, structuredClone(log));
  },
  logsOf: async () => [...kept.values()],
  forgetLog: async (id: string) => void kept.delete(id),
} as unknown as Journal;

/** The pages that live hold locks. */
function fakeLocks() {
  const held = new Set<string>();
  return {
    held,
    query: async () => ({ held: [...held].map((name) => ({ name })) }),
    request: async (name: string, use: () => Promise<void>) => {
      held.add(name);
      await use();
      held.delete(name);
    },
  };
}

let locks: ReturnType<typeof fakeLocks>;

beforeEach(() => {
  vi.useFakeTimers();
  [sent, failures, kept, locks] = [[], [], new Map(), fakeLocks()];
  vi.stubGlobal("navigator", { locks });
  vi.stubGlobal("addEventListener", () => {});
  vi.stubGlobal("removeEventListener", () => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const passed = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

test("what was lost on the way is sent again under its key, as old as it is by then", async () => {
  failures = [new ApiError(0, "no network")];
  const log = await EventLog.open(api, journal, 1, 7);
  await passed(3000);
  log.add("click", "a", { x: 1 });
  await passed(2000);
  log.add("save", "a");
  await passed(5000);
  const [first, again, later] = sent;
  expect(first).toMatchObject({ image: 7, kinds: ["click"], ages: [2] });
  expect(again).toMatchObject({ key: first!.key, kinds: ["click"], ages: [7] });
  expect(later).toMatchObject({ kinds: ["save"], ages: [5] });
  expect(later!.key).not.toBe(first!.key);
});

test("a page that died leaves its log to the next one", async () => {
  failures = [new ApiError(0, "no network")];
  const dead = await EventLog.open(api, journal, 1, 7);
  dead.add("click", "a");
  await dead.flush();
  dead.add("save", "a");
  const alive = await EventLog.open(api, journal, 1, 8);
  alive.add("open", null);
  await alive.flush();
  expect(sent.slice(1)).toMatchObject([{ image: 8, kinds: ["open"] }]); // the other one still lives

  locks.held.clear();
  const next = await EventLog.open(api, journal, 1, 9);
  await passed(1000);
  await next.flush();
  expect(sent.slice(2)).toMatchObject([
    { image: 7, kinds: ["click"], key: sent[0]!.key, ages: [1] },
    { image: 7, kinds: ["save"] },
  ]);
});

test("what the server would never take is dropped, what waits for a login is not", async () => {
  failures = [new ApiError(400, "another request's key"), new ApiError(401, "log in")];
  const log = await EventLog.open(api, journal, 1, 7);
  log.add("click", "a");
  await log.flush();
  log.add("save", "a");
  await log.flush();
  await log.flush();
  expect(sent.map(({ kinds }) => kinds)).toEqual([["click"], ["save"], ["save"]]);
});

test("a log that is closed and sent is forgotten, one that could not be sent is kept", async () => {
  const done = await EventLog.open(api, journal, 1, 7);
  done.add("click", "a");
  await done.close();
  expect(kept.size).toBe(0);
  expect(locks.held.size).toBe(0);

  failures = [new ApiError(503, "busy")];
  const left = await EventLog.open(api, journal, 1, 7);
  left.add("click", "a");
  await left.close();
  expect([...kept.values()].flatMap(({ batches }) => batches[0]!.entries)).toHaveLength(1);
  expect(locks.held.size).toBe(0);
});
