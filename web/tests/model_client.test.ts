/** Questions to the model: none twice, clicks before previews. */
import { expect, test } from "vitest";
import { type Answer, type Prompt, isSamePrompt } from "../src/core/prompts";
import { ModelClient } from "../src/model/client";
import type { Channel, Reply, Request } from "../src/model/protocol";

const events = { onLoading() {}, onLoaded() {}, onEncoded() {}, onFailed() {} };

/** A model that answers when it is told to. */
class FakeModel implements Channel {
  asked: (Request & { kind: "decode" })[] = [];
  private hear: (event: MessageEvent<Reply>) => void = () => {};
  addEventListener(_type: "message", listener: (event: MessageEvent<Reply>) => void) {
    this.hear = listener;
  }
  postMessage(request: Request) {
    if (request.kind === "decode") this.asked.push(request);
    if (request.kind === "fetch") this.say({ kind: "encoded", id: request.id, milliseconds: 1 });
  }
  /** Answers what was asked last; the mask is the prompt's x. */
  answer() {
    const { id, prompt } = this.asked.at(-1)!;
    const ious = [prompt.clicks[0]!.x];
    const answer = { logits: new Float32Array(1), side: 1, ious, best: 0 };
    this.say({ kind: "answer", id, answer, milliseconds: 1 });
  }
  private say(data: Reply) {
    this.hear({ data } as MessageEvent<Reply>);
  }
}

const at = (x: number): Prompt => ({ clicks: [{ x, y: 0, label: 1 }], box: null, maskInput: null });

function begun() {
  const model = new FakeModel();
  const client = new ModelClient(model, events);
  const open = () => client.openPrepared({ imageId: 1, embeddingUrl: "", originalSize: [1, 1] });
  open();
  const heard: string[] = [];
  const told = (who: string) => (answer: Answer) => void heard.push(`${who} ${answer.ious[0]}`);
  return { model, client, open, heard, told };
}

test("a click takes the answer to the preview that is on its way, or was the last", () => {
  const { model, client, heard, told } = begun();
  client.askPreview(at(1), told("preview"));
  client.ask(at(1), told("click"));
  model.answer();
  expect(heard).toEqual(["preview 1", "click 1"]);
  client.ask(at(1), told("again"));
  client.askPreview(at(1), told("hover"));
  expect(heard.slice(2)).toEqual(["again 1", "hover 1"]);
  expect(model.asked).toHaveLength(1);
});

test("other clicks come in their order, before previews, of which the latest counts", () => {
  const { model, client, heard, told } = begun();
  client.askPreview(at(1), told("preview"));
  client.ask(at(2), told("click"));
  client.ask(at(1), told("click")); // the running preview's answer would come too early
  client.askPreview(at(3), told("preview"));
  client.askPreview(at(4), told("preview"));
  for (let i = 0; i < 4; i++) model.answer();
  expect(heard).toEqual(["preview 1", "click 2", "click 1", "preview 4"]);
});

test("another picture's answer is nobody's", () => {
  const { model, client, open, heard, told } = begun();
  client.ask(at(1), told("click"));
  model.answer();
  open();
  client.ask(at(1), told("click"));
  expect(model.asked).toHaveLength(2);
  open();
  client.ask(at(1), told("newest"));
  model.answer(); // to what the second picture was asked
  model.answer();
  expect(heard).toEqual(["click 1", "newest 1"]);
});

test("prompts are the same when all of them is", () => {
  const full = { ...at(1), box: [0, 0, 5, 5] as const, maskInput: Float32Array.of(1, 2) };
  expect(isSamePrompt(full, structuredClone(full))).toBe(true);
  const others: Partial<Prompt>[] = [
    { clicks: [] },
    { clicks: [{ x: 1, y: 0, label: 0 }] },
    { box: null },
    { box: [0, 0, 5, 6] },
    { maskInput: null },
    { maskInput: Float32Array.of(1, 3) },
  ];
  for (const other of others) expect(isSamePrompt(full, { ...full, ...other })).toBe(false);
});
