/** The ways to the model: the worker until it fails, then the server. */
import { expect, test, vi } from "vitest";
import { Api } from "../src/api/client";
import { ServerChannel, answerOf } from "../src/api/server_channel";
import { FallbackChannel } from "../src/model/fallback_channel";
import type { Reply, Request, WorkerChannel } from "../src/model/protocol";

class FakeWorker implements WorkerChannel {
  sent: Request[] = [];
  private listeners = new Map<string, (event: MessageEvent<Reply>) => void>();
  postMessage(request: Request) {
    this.sent.push(request);
  }
  addEventListener(type: string, listener: (event: MessageEvent<Reply>) => void) {
    this.listeners.set(type, listener);
  }
  reply(data: Reply) {
    this.listeners.get("message")!({ data } as MessageEvent<Reply>);
  }
  breakDown() {
    this.listeners.get("error")!({} as MessageEvent<Reply>);
  }
  terminate() {}
}

const description = { model_id: "small", image_size: 256, mask_threshold: 0 };
const load: Request = { kind: "load", source: { description, decoderUrl: "decoder" } };
const fetchImage: Request = {
  kind: "fetch",
  id: 1,
  prepared: { imageId: 7, embeddingUrl: "embedding", originalSize: [50, 70] },
};
const click = (id: number): Request => ({
  kind: "decode",
  id,
  prompt: { clicks: [{ x: 3, y: 4, label: 1 }], box: null, maskInput: null },
});
const answer = { logits: new Float32Array(1), side: 1, ious: [1], best: 0 };

function bothWays() {
  const [near, far] = [new FakeWorker(), new FakeWorker()];
  const channel = new FallbackChannel(near, far);
  const heard: Reply[] = [];
  channel.addEventListener("message", ({ data }) => heard.push(data));
  channel.postMessage(load);
  channel.postMessage(fetchImage);
  return { near, far, channel, heard };
}

test("the worker is asked as long as it answers", () => {
  const { near, far, channel, heard } = bothWays();
  channel.postMessage(click(1));
  near.reply({ kind: "answer", id: 1, answer, milliseconds: 1 });
  expect(near.sent).toEqual([load, fetchImage, click(1)]);
  expect(heard).toHaveLength(1);
  expect(far.sent).toEqual([]);
});

test.each([
  [
    "says that it cannot",
    (near: FakeWorker) => near.reply({ kind: "failed", id: null, message: "no" }),
  ],
  ["does not even start", (near: FakeWorker) => near.breakDown()],
])("what is open is asked of the server when the worker %s", (_, fail) => {
  const { near, far, channel, heard } = bothWays();
  channel.postMessage(click(1));
  fail(near);
  fail(near);
  expect(far.sent).toEqual([load, fetchImage, click(1)]);
  expect(heard).toEqual([]); // nobody needs to know
  near.reply({ kind: "answer", id: 1, answer, milliseconds: 1 });
  expect(heard).toEqual([]); // too late
  channel.postMessage(click(2));
  far.reply({ kind: "answer", id: 2, answer, milliseconds: 1 });
  expect(near.sent).toHaveLength(3);
  expect(heard).toHaveLength(1);
});

test("what was answered is not asked again, and the server's failure is told", () => {
  const { near, far, channel, heard } = bothWays();
  channel.postMessage(click(1));
  near.reply({ kind: "answer", id: 1, answer, milliseconds: 1 });
  near.reply({ kind: "failed", id: 2, message: "broken" });
  expect(far.sent).toEqual([load, fetchImage]);
  far.reply({ kind: "failed", id: null, message: "no" });
  expect(heard.at(-1)).toEqual({ kind: "failed", id: null, message: "no" });
});

const halves = (...bits: number[]) =>
  btoa(String.fromCharCode(...new Uint8Array(Uint16Array.from(bits).buffer)));

test("three masks of the server stand behind the place of the single one", () => {
  const masks = [0.5, 0.9, 0.7].map((predicted_iou) => ({
    predicted_iou,
    low_res_logits: halves(0x3c00, 0, 0, 0xc000),
  }));
  const three = answerOf({ best: 1, masks });
  expect(three).toMatchObject({ side: 2, best: 2, ious: [0, 0.5, 0.9, 0.7] });
  expect([...three.logits.subarray(4, 8)]).toEqual([1, 0, 0, -2]);
  expect(three.logits).toHaveLength(16);
  const single = answerOf({ best: 0, masks: masks.slice(0, 1) });
  expect(single).toMatchObject({ side: 2, best: 0, ious: [0.5] });
});

test("the server is asked about the open image, again until it answers", async () => {
  vi.useFakeTimers();
  const api = new Api("http://server/");
  const told = { best: 0, masks: [{ predicted_iou: 1, low_res_logits: halves(0) }] };
  const answers = [
    () => Promise.reject(new TypeError("no network")),
    () => Promise.resolve(new Response("{}", { status: 503 })),
    () => Promise.resolve(Response.json(told)),
  ];
  const asked = vi.fn((_url: string, _init: RequestInit) => answers.shift()!());
  vi.stubGlobal("fetch", asked);
  const channel = new ServerChannel(api);
  const heard: Reply[] = [];
  channel.addEventListener("message", ({ data }) => heard.push(data));
  channel.postMessage(load);
  channel.postMessage(fetchImage);
  channel.postMessage(click(5));
  await vi.runAllTimersAsync();
  expect(heard.map(({ kind }) => kind)).toEqual(["loaded", "encoded", "answer"]);
  expect(heard[0]).toMatchObject({ numThreads: 0, description });
  expect(asked).toHaveBeenCalledTimes(3);
  const [url, init] = asked.mock.calls[2]!;
  expect(url).toBe("http://server/api/images/7/masks");
  expect(JSON.parse(String(init.body))).toMatchObject({
    point_coords: [[3, 4]],
    point_labels: [1],
    box: null,
    mask_input: null,
  });
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
