import { expect, test } from "vitest";
import { type Action, type Document, newDocument, promptOf, reduce } from "../src/core/document";
import { type Answer, candidates } from "../src/core/prompts";
import { rleArea, rleBox, rleContains } from "../src/core/rle";

const SIDE = 8;
const frame = { originalSize: [32, 32] as const, imageSize: 32 };
const start = newDocument(frame, 0);

/** Masks of 1, 2, 3 and 4 cells a side in the corner. */
function answer(best = 1): Answer {
  const logits = Float32Array.from({ length: 4 * SIDE * SIDE }, (_, i) => {
    const [mask, y, x] = [Math.floor(i / 64), Math.floor((i % 64) / 8), i % 8];
    return x <= mask && y <= mask ? 5 : -5;
  });
  return { logits, side: SIDE, ious: [0.5, 0.9, 0.6, 0.7], best };
}

const click = (question: number, label: 0 | 1 = 1, x = 3): Action => ({
  type: "click",
  click: { x, y: 3, label },
  id: `object ${question}`,
  question,
});
const answered = (question: number, best = 1): Action => ({
  type: "answered",
  question,
  answer: answer(best),
});
const run = (document: Document, ...actions: Action[]) => actions.reduce(reduce, document);
const dot = (erase: boolean, x = 20): Action => ({
  type: "stroke",
  stroke: { points: [{ x: x + 0.5, y: 20.5 }], radius: 0.5, erase },
  id: "painted",
});

test("a click asks, its answer draws the model's choice", () => {
  const asked = run(start, click(1));
  expect(asked.sheet.draft?.question).toBe(1);
  const drawn = run(asked, answered(1));
  expect(drawn.sheet.draft?.question).toBeNull();
  expect(rleBox(drawn.sheet.draft!.mask)).toEqual({ x0: 0, y0: 0, x1: 8, y1: 8 });
  expect(drawn.sheet.draft?.predictedIou).toBe(0.9);
});

test("a late answer changes nothing", () => {
  const document = run(start, click(1), click(2));
  expect(run(document, answered(1)).sheet).toBe(document.sheet);
  const undone = run(start, click(1), { type: "undo" });
  expect(run(undone, answered(1)).sheet.draft).toBeNull();
});

test("the chosen mask's logits go with the next click", () => {
  const document = run(start, click(1), answered(1), { type: "choose", choice: 3 }, click(2, 0));
  const prompt = promptOf(document.sheet.draft!);
  expect(prompt.clicks.map(({ label }) => label)).toEqual([1, 0]);
  expect(prompt.maskInput).toEqual(answer().logits.subarray(3 * 64, 4 * 64));
});

test("undo and redo go click by click, stroke by stroke", () => {
  let document = run(start, click(1), answered(1), { type: "choose", choice: 2 }, dot(false));
  const areas = [rleArea(document.sheet.draft!.mask)];
  for (let i = 0; i < 2; i++) {
    document = reduce(document, { type: "undo" });
    areas.push(rleArea(document.sheet.draft!.mask));
  }
  expect(areas).toEqual([144, 143, 63]); // squares of 12 and 8 without the blunt corner; one dot
  document = run(document, { type: "redo" }, { type: "redo" });
  expect(rleArea(document.sheet.draft!.mask)).toBe(144);
  expect(reduce(document, { type: "redo" })).toBe(document);
});

test("undo brings an open question back", () => {
  const document = run(start, click(1), click(2), { type: "undo" });
  expect(document.sheet.draft?.question).toBe(1);
});

test("a new change ends redo", () => {
  const document = run(start, click(1), answered(1), { type: "undo" }, click(2));
  expect(document.future).toEqual([]);
});

test("a brushed mask forgets the model's answer, and is given to it with the next click", () => {
  const painted = run(start, click(1), answered(1), dot(false));
  expect(painted.sheet.draft).toMatchObject({ answer: null, predictedIou: null });
  const { maskInput } = promptOf(run(painted, click(2)).sheet.draft!);
  expect(maskInput![0]).toBe(10);
  expect(maskInput![63]).toBe(-10);
});

test("keep, then refine: the annotation keeps its place, name and colour", () => {
  let document = run(start, click(1), answered(1), { type: "accept" }, click(2), answered(2), {
    type: "accept",
  });
  const [first] = document.sheet.annotations;
  document = run(
    document,
    { type: "change", id: first!.id, values: { name: "cup" } },
    { type: "edit", id: first!.id },
    dot(false),
    { type: "accept" },
  );
  expect(document.sheet.annotations.map(({ name }) => name)).toEqual(["cup", ""]);
  expect(document.sheet.annotations[0]).toMatchObject({ id: first!.id, colour: first!.colour });
  expect(rleContains(document.sheet.annotations[0]!.mask, 20, 20)).toBe(true);
});

test("the brush goes on with the selected object, the eraser never begins one", () => {
  const kept = run(start, click(1), answered(1), { type: "accept" });
  expect(run(kept, dot(false)).sheet.draft?.id).toBe("object 1");
  const none = run(kept, { type: "select", id: null }, dot(true));
  expect(none.sheet.draft).toBeNull();
});

test("a locked object is neither painted on, refined nor deleted", () => {
  const locked = run(
    start,
    click(1),
    answered(1),
    { type: "accept" },
    {
      type: "change",
      id: "object 1",
      values: { isLocked: true },
    },
  );
  expect(run(locked, { type: "edit", id: "object 1" })).toBe(locked);
  expect(run(locked, { type: "delete", id: "object 1" })).toBe(locked);
  expect(run(locked, dot(false)).sheet.draft?.id).toBe("painted");
});

test("what the engine found is locked, can be deleted, and is the person's own once changed", () => {
  const found = run(start, click(1), answered(1), { type: "accept" }).sheet.annotations[0]!;
  const foundBy = { source: "detector", score: 0.8 };
  const opened = newDocument(frame, 0, [{ ...found, isLocked: true, foundBy }]);
  const { id } = found;
  expect(run(opened, { type: "edit", id }).sheet.draft).toBeNull();
  expect(run(opened, { type: "delete", id }).sheet.annotations).toEqual([]);
  const unlocked = run(opened, { type: "change", id, values: { isLocked: false } });
  const looked = run(unlocked, { type: "edit", id }, { type: "accept" });
  expect(looked.sheet.annotations[0]!.foundBy).toEqual(foundBy);
  const painted = run(unlocked, { type: "edit", id }, dot(false), { type: "accept" });
  expect(painted.sheet.annotations[0]).toMatchObject({ id, foundBy: null });
  const asked = run(unlocked, { type: "edit", id }, click(2), answered(2), { type: "accept" });
  expect(asked.sheet.annotations[0]!.foundBy).toBeNull();
});

test("an object that is moved keeps all but its place, and undo brings that back", () => {
  const kept = ["a", "b", "c"].reduce(
    (document, id) =>
      run(
        document,
        { ...dot(false), id } as Action,
        { type: "accept" },
        { type: "select", id: null },
      ),
    start,
  );
  const order = (document: Document) => document.sheet.annotations.map(({ id }) => id).join("");
  expect(order(kept)).toBe("abc");
  const moved = run(kept, { type: "move", id: "c", to: 0 });
  expect(order(moved)).toBe("cab");
  expect(moved.sheet.selected).toBe("c");
  expect(moved.sheet.annotations[0]).toBe(kept.sheet.annotations[2]);
  expect(order(run(moved, { type: "undo" }))).toBe("abc");
  expect(order(run(kept, { type: "move", id: "a", to: 9 }))).toBe("bca");
  for (const nothing of [
    { id: "a", to: -1 },
    { id: "c", to: 5 },
    { id: "none", to: 1 },
  ])
    expect(run(kept, { type: "move", ...nothing })).toBe(kept);
});

test("an empty object is not kept; objects have colours of their own", () => {
  const asked = run(start, click(1));
  expect(run(asked, { type: "accept" })).toBe(asked);
  const two = run(start, click(1), answered(1), { type: "accept" }, click(2), answered(2), {
    type: "accept",
  });
  expect(new Set(two.sheet.annotations.map(({ colour }) => colour)).size).toBe(2);
});

test("suggestions: the model's choice first, the others by their estimate", () => {
  expect(candidates(answer(1))).toEqual([1, 3, 2]);
  expect(candidates(answer(0))).toEqual([0, 1, 3]);
});
