import { expect, test, vi } from "vitest";
import { ModelClient } from "../src/model/client";
import type { Reply, Request } from "../src/model/protocol";
import { fromKept, toKept } from "../src/storage/journal";
import { type Action, newAnnotation, newDocument, reduce } from "../src/core/document";
import { rleFromCounts } from "../src/core/rle";
import { announcement } from "../src/ui/announcements";
import { SHORTCUTS, commandOf, keyName, keysOf, ownerOf, rebound } from "../src/ui/shortcuts";

const answer = { logits: new Float32Array(4), side: 1, ious: [0, 0, 0, 0], best: 0 };
const prompt = (x: number) => ({
  clicks: [{ x, y: 0, label: 1 as const }],
  box: null,
  maskInput: null,
});

class FakeWorker {
  sent: Request[] = [];
  private listener: (event: MessageEvent<Reply>) => void = () => {};
  postMessage(request: Request) {
    this.sent.push(request);
  }
  addEventListener(_: "message", listener: (event: MessageEvent<Reply>) => void) {
    this.listener = listener;
  }
  reply(data: Reply) {
    this.listener({ data } as MessageEvent<Reply>);
  }
  /** Answer the last question. */
  answer() {
    const { id } = this.sent.at(-1) as { id: number };
    this.reply({ kind: "answer", id, answer, milliseconds: 1 });
  }
  get asked() {
    return this.sent.flatMap((r) => (r.kind === "decode" ? [r.prompt.clicks[0]!.x] : []));
  }
}

function opened() {
  const worker = new FakeWorker();
  const events = { onLoading: vi.fn(), onLoaded: vi.fn(), onEncoded: vi.fn(), onFailed: vi.fn() };
  const client = new ModelClient(worker, events);
  client.open({} as ImageBitmap);
  return { worker, client, events };
}

test("questions wait for the picture, clicks go before previews, of these only the last counts", () => {
  const { worker, client } = opened();
  const heard: number[] = [];
  client.askPreview(prompt(1), () => heard.push(1));
  client.ask(prompt(2), () => heard.push(2));
  expect(worker.asked).toEqual([]);
  worker.reply({ kind: "encoded", id: 1, milliseconds: 1 });
  client.askPreview(prompt(3), () => heard.push(3));
  client.askPreview(prompt(4), () => heard.push(4));
  client.ask(prompt(5), () => heard.push(5));
  for (let i = 0; i < 2; i++) worker.answer();
  expect(worker.asked).toEqual([2, 5]);
  client.askPreview(prompt(6), () => heard.push(6));
  worker.answer();
  expect(heard).toEqual([2, 5, 6]);
});

test("an answer about an earlier picture is dropped", () => {
  const { worker, client } = opened();
  worker.reply({ kind: "encoded", id: 1, milliseconds: 1 });
  const onAnswer = vi.fn();
  client.ask(prompt(1), onAnswer);
  client.open({} as ImageBitmap);
  worker.reply({ kind: "answer", id: 1, answer, milliseconds: 1 });
  expect(onAnswer).not.toHaveBeenCalled();
});

test("work that was kept is the same again", () => {
  const document = [
    { type: "stroke", stroke: { points: [{ x: 3, y: 3 }], radius: 2, erase: false }, id: "a" },
    { type: "accept" },
    { type: "stroke", stroke: { points: [{ x: 9, y: 9 }], radius: 1, erase: false }, id: "b" },
  ].reduce(
    (d, action) => reduce(d, action as never),
    newDocument({ originalSize: [20, 30], imageSize: 32 }, 0),
  );
  const kept = structuredClone(toKept("hash", document.sheet));
  expect(fromKept(kept)).toEqual({ ...document.sheet, selected: null });
});

test("keys: no two commands share one, signs need no Shift named", () => {
  const keys = SHORTCUTS.flatMap((shortcut) => shortcut.keys);
  expect(new Set(keys).size).toBe(keys.length);
  const press = (key: string, held: object = {}) =>
    commandOf({ key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...held }, {});
  expect(press("?", { shiftKey: true })).toBe("help");
  expect(press("Z", { ctrlKey: true, shiftKey: true })).toBe("redo");
  expect(press("F", { shiftKey: true })).toBe("showObject");
  expect(press("z", { metaKey: true })).toBe("undo");
  expect(press("z")).toBeNull();
  expect(press("1", { altKey: true })).toBeNull();
  expect(press("ArrowUp", { altKey: true })).toBe("earlier");
});

test("keys of one's own: the command that had one loses it, moving about stays", () => {
  const bindings = rebound({}, "polygon", "N");
  expect(keysOf("polygon", bindings)).toEqual(["N"]);
  expect(keysOf("accept", bindings)).toEqual(["Enter"]);
  expect(ownerOf("N", bindings)).toBe("polygon");
  expect(ownerOf("P", bindings)).toBeNull();
  expect(rebound(bindings, "polygon", "N")).toEqual(bindings);
  const held = { ctrlKey: false, metaKey: false, shiftKey: false, altKey: false };
  for (const key of ["Tab", "ArrowLeft", " ", "Shift"])
    expect(keyName({ key, ...held })).toBeNull();
  expect(keyName({ ...held, key: "ä", shiftKey: true })).toBe("Shift+Ä");
});

test("what happened is told in words", () => {
  const frame = { originalSize: [20, 30] as const, imageSize: 32 };
  const mask = rleFromCounts([20, 30], [0, 5, 595]);
  const before = newDocument(frame, 0, [newAnnotation("a", mask, 0), newAnnotation("b", mask, 1)]);
  const after = (action: Action) => announcement(before.sheet, reduce(before, action).sheet);
  expect(after({ type: "delete", id: "a" })).toBe("Object gone, 1 object now.");
  expect(after({ type: "change", id: "b", values: { isLocked: true } })).toBe("Object 2 locked.");
  expect(after({ type: "change", id: "b", values: { name: "cup" } })).toBe(
    "cup changed, 5 pixels.",
  );
  expect(after({ type: "select", id: "a" })).toBe("Object 1 selected.");
  expect(after({ type: "move", id: "a", to: 1 })).toBe("Moved to place 2 of 2 objects.");
  expect(after({ type: "hideAll", isHidden: true })).toBe("2 objects changed.");
});
