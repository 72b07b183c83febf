/** Addresses, requests and the log of the pages on a server. */
import { afterEach, expect, test, vi } from "vitest";
import { Api, ApiError } from "../src/api/client";
import { type Sheet, newAnnotation } from "../src/core/document";
import { bitmapToRle } from "../src/core/rle";
import { toldAs } from "../src/ui/server/logged_actions";
import { type Route, hashOf, readRoute } from "../src/ui/server/route";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test.each<Route>([
  { screen: "projects" },
  { screen: "people" },
  { screen: "images", project: 3 },
  { screen: "dashboard", project: 3 },
  { screen: "webhooks", project: 3 },
  { screen: "work", project: 3, image: null },
  { screen: "work", project: 3, image: 7 },
  { screen: "review", project: 3, image: 7 },
  { screen: "invitation", secret: "a-secret_1" },
])("the address of $screen leads back to it", (route) => {
  expect(readRoute(hashOf(route))).toEqual(route);
});

test.each(["", "#", "#/nothing", "#/projects/x", "#/projects/-1/work", "#/invitation/"])(
  "%j is the list of projects",
  (hash) => expect(readRoute(hash)).toEqual({ screen: "projects" }),
);

/** A server that gives these answers in turn. */
function serverSays(...answers: [number, unknown][]) {
  const fetched = vi.fn((_url: string, _init: RequestInit) => {
    const [status, body] = answers.shift()!;
    if (!status) return Promise.reject(new TypeError("no network"));
    const text = status === 204 ? null : JSON.stringify(body);
    return Promise.resolve(new Response(text, { status }));
  });
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

const user = { id: 1, name: "ada", role: "annotator" };

test("changes carry the session's token, a new one where another tab has begun anew", async () => {
  const fetched = serverSays(
    [200, { user, csrf_token: "old" }],
    [403, { error: "X-CSRF-Token must be the session's.", field: "X-CSRF-Token" }],
    [200, { user, csrf_token: "new" }],
    [204, null],
  );
  const api = new Api("/");
  await api.session();
  await api.release(7);
  const tokens = fetched.mock.calls.map(([, init]) =>
    (init.headers as Headers).get("X-CSRF-Token"),
  );
  expect(tokens).toEqual([null, "old", null, "new"]);
});

test("errors tell what was refused, and whether to try again", async () => {
  const current = { id: "a" };
  serverSays(
    [409, { error: "version must be the stored one.", field: "version", current }],
    [0, null],
    [502, "no JSON of ours"],
    [401, { error: "session must be in force." }],
  );
  const onLoggedOut = vi.fn();
  const api = new Api("/", onLoggedOut);
  const failure = (): Promise<ApiError> =>
    api.lease(1).then(
      () => expect.fail(),
      (error) => error,
    );
  expect(await failure()).toMatchObject({ status: 409, field: "version", current });
  expect(await failure()).toMatchObject({ status: 0, isPassing: true });
  expect(await failure()).toMatchObject({ status: 502, isPassing: true });
  expect(onLoggedOut).not.toHaveBeenCalled();
  expect(await failure()).toMatchObject({ status: 401, isPassing: false });
  expect(onLoggedOut).toHaveBeenCalledOnce();
});

test("what people do on a mask is told, what they look at is not", () => {
  const mask = bitmapToRle(
    { x0: 0, y0: 0, width: 2, height: 1, data: Uint8Array.of(1, 1) },
    [4, 4],
  );
  const draft = {
    ...newAnnotation("d", mask, 0),
    predictedIou: 0.5,
    question: null,
    answer: null,
    choice: 0,
    maskInput: null,
  };
  const idle: Sheet = { annotations: [], draft: null, selected: null, numBegun: 0 };
  const busy = { ...idle, draft };
  const click = { x: 1, y: 2, label: 0 } as const;
  expect(toldAs({ type: "click", click, id: "new", question: 1 }, idle)).toEqual({
    kind: "click",
    about: "new",
    data: { x: 1, y: 2, label: 0 },
  });
  expect(toldAs({ type: "click", click, id: "new", question: 1 }, busy)?.about).toBe("d");
  expect(toldAs({ type: "accept" }, busy)).toEqual({
    kind: "save",
    about: "d",
    data: { area: 2, predicted_iou: 0.5 },
  });
  expect(toldAs({ type: "accept" }, idle)).toBeNull();
  expect(toldAs({ type: "change", id: "a", values: { name: "cup" } }, idle)?.kind).toBe("name");
  expect(toldAs({ type: "change", id: "a", values: { isHidden: true } }, idle)).toBeNull();
  expect(toldAs({ type: "select", id: "a" }, idle)).toBeNull();
});
