/** What is saved, deleted and brought together: the page's work and the server's. */
import { expect, test } from "vitest";
import type { StoredMask } from "../src/api/wire";
import { type Annotation, newAnnotation } from "../src/core/document";
import { bitmapToRle } from "../src/core/rle";
import { cocoOf } from "../src/storage/journal";
import {
  type Known,
  annotationOf,
  changes,
  draftOf,
  drawingOf,
  knownOf,
  merged,
  unknown,
} from "../src/storage/outbox";

const SIZE = [8, 10] as const;

function square(at: number) {
  const data = new Uint8Array(4).fill(1);
  return bitmapToRle({ x0: at, y0: at, width: 2, height: 2, data }, SIZE);
}

const made = (id: string, at = 1, values: Partial<Annotation> = {}): Annotation => ({
  ...newAnnotation(id, square(at), 0),
  ...values,
});

function stored(annotation: Annotation, values: Partial<StoredMask> = {}): StoredMask {
  const { id, name, mask, predictedIou } = annotation;
  return {
    id,
    version: 1,
    author_id: 1,
    position: 0,
    counts: cocoOf(mask).counts,
    name,
    model_id: null,
    predicted_iou: predictedIou,
    prompts: { point_coords: [], point_labels: [], box: null },
    is_deleted: false,
    ...values,
  };
}

const known = (mask: StoredMask) => knownOf(mask, drawingOf(annotationOf(mask, mask.id, SIZE, 0)));
const knownMap = (...masks: StoredMask[]) => new Map(masks.map((mask) => [mask.id, known(mask)]));
const kinds = (annotations: Annotation[], map: ReadonlyMap<string, Known>) =>
  changes(annotations, map).map((one) =>
    one.kind === "save" ? `save ${one.annotation.id} at ${one.position}` : `remove ${one.id}`,
  );

test("new, changed, named and deleted objects are changes; what is stored is none", () => {
  const [a, b, c] = [made("a"), made("b", 2), made("c", 3)];
  const map = knownMap(stored(a), stored(b, { position: 1 }), stored(c, { position: 2 }));
  expect(kinds([a, b, c], map)).toEqual([]);
  expect(kinds([a, { ...b, isHidden: true, colour: "#000000" }, c], map)).toEqual([]);
  expect(kinds([a, { ...b, name: "cup" }, made("d")], map)).toEqual([
    "save b at 1",
    "save d at 2",
    "remove c",
  ]);
  expect(kinds([made("a", 5), b, c], map)).toEqual(["save a at 0"]);
});

test("the order of prominence is saved with as few changes as it takes", () => {
  const [a, b, c] = [made("a"), made("b", 2), made("c", 3)];
  const map = knownMap(stored(a), stored(b, { position: 1 }), stored(c, { position: 2 }));
  expect(kinds([b, c], map)).toEqual(["remove a"]);
  expect(kinds([b, a, c], map)).toEqual(["save b at 0", "save a at 1"]);
  expect(kinds([a, c, b], map)).toEqual(["save c at 1", "save b at 2"]);
  expect(kinds([c, made("d"), a, b], map)).toEqual([
    "save c at 0",
    "save d at 1",
    "save a at 2",
    "save b at 3",
  ]);
  // also when a page dies between the saves of a move
  const halfway = knownMap(stored(a), stored(b), stored(c, { position: 2 }));
  expect(kinds([b, a, c], halfway)).toEqual(["save a at 1"]);
  // masks that came from elsewhere without an order are left as they are, until they are moved
  const shared = knownMap(stored(a), stored(b), stored(c));
  expect(kinds([a, b, c], shared)).toEqual([]);
  expect(kinds([b, a, c], shared)).toEqual(["save a at 1", "save c at 2"]);
});

test("a deleted mask that undo brings back is saved as a new one", () => {
  const a = made("a");
  const map = new Map([["a", { ...known(stored(a)), isDeleted: true }]]);
  expect(kinds([a], map)).toEqual(["save a at 0"]);
  expect(kinds([], map)).toEqual([]);
});

test("a save says which version it changes, and a new name makes no other model's mask", () => {
  const clicks = [{ x: 3, y: 4, label: 1 as const }];
  const clicked = made("a", 1, { clicks, predictedIou: 1.01 });
  const change = { kind: "save" as const, annotation: clicked, position: 4 };
  expect(draftOf(change, unknown("a"), 7, "new")).toMatchObject({
    image_id: 7,
    version: 0,
    position: 4,
    model_id: "new",
    predicted_iou: 1,
    prompts: { point_coords: [[3, 4]], point_labels: [1], box: null },
  });
  const there = { ...unknown("a"), version: 3, modelId: "old" };
  const named = { ...there, drawing: drawingOf(clicked) };
  expect(draftOf(change, named, 7, "new")).toMatchObject({ version: 3, model_id: "old" });
  expect(draftOf(change, there, 7, "new").model_id).toBe("new");
  const byHand = { ...change, annotation: made("a") };
  expect(draftOf(byHand, unknown("a"), 7, "new").model_id).toBeNull();
});

test("opened for the first time, everything is the server's", () => {
  const mask = stored(made("a", 2, { name: "cup" }), {
    prompts: { point_coords: [[3, 4]], point_labels: [0], box: [1, 2, 3, 4] },
  });
  const { annotations, known: map } = merged([], new Map(), [mask], SIZE);
  expect(annotations[0]).toMatchObject({
    id: "a",
    name: "cup",
    clicks: [{ x: 3, y: 4, label: 0 }],
    box: [1, 2, 3, 4],
  });
  expect(changes(annotations, map)).toEqual([]);
});

test("what the engine found comes locked and marked, and is saved as found until it is changed", () => {
  const prompts = { source: "detector", score: 0.8, box: [1, 2, 3, 4] as const };
  const mask = stored(made("a"), { prompts });
  const { annotations, known: map } = merged([], new Map(), [mask], SIZE);
  const found = annotations[0]!;
  expect(found).toMatchObject({ isLocked: true, foundBy: { source: "detector", score: 0.8 } });
  const change = { kind: "save" as const, annotation: found, position: 3 };
  expect(draftOf(change, map.get("a")!, 7, "new").prompts).toMatchObject({ ...prompts });
  const mine = { ...change, annotation: { ...found, mask: square(3), foundBy: null } };
  expect(draftOf(mine, map.get("a")!, 7, "new").prompts).not.toHaveProperty("source");
});

test("what one side changed is taken from it, what both changed waits for a person", () => {
  const [a, b] = [made("a"), made("b", 2)];
  const map = knownMap(stored(a), stored(b, { position: 1 }));
  const mine = [
    { ...a, name: "mine" },
    { ...b, colour: "#123456" },
  ];
  const newer = stored(made("b", 4), { version: 2, position: 1 });
  const oneEach = merged(mine, map, [stored(a), newer], SIZE);
  expect(kinds(oneEach.annotations, oneEach.known)).toEqual(["save a at 0"]);
  expect(oneEach.annotations[1]).toMatchObject({ colour: "#123456", mask: square(4) });

  const theirs = stored({ ...a, name: "theirs" }, { version: 2 });
  const both = merged(mine, map, [theirs, stored(b, { position: 1 })], SIZE);
  expect(both.annotations[0]!.name).toBe("mine");
  expect(both.known.get("a")!.version).toBe(1); // the server will refuse it
});

test("a save whose answer was lost is known to be ours", () => {
  const a = made("a");
  const fresh = merged([a], new Map(), [stored(made("a", 3))], SIZE);
  expect(fresh.annotations).toEqual([a]);
  expect(fresh.known.get("a")!.version).toBe(1);

  const sent = made("a", 3);
  const before = { ...known(stored(a)), sent: drawingOf(sent) };
  const later = { ...sent, name: "since" };
  const { annotations, known: map } = merged(
    [later],
    new Map([["a", before]]),
    [stored(sent, { version: 2 })],
    SIZE,
  );
  expect(annotations).toEqual([later]);
  expect(map.get("a")!.version).toBe(2);
});

test("what was deleted there goes here, unless it was changed here", () => {
  const [a, b] = [made("a"), made("b", 2)];
  const map = knownMap(stored(a), stored(b, { position: 1 }));
  const result = merged([a, { ...b, name: "mine" }], map, [], SIZE);
  expect(result.annotations.map(({ id }) => id)).toEqual(["b"]);
  expect(kinds(result.annotations, result.known)).toEqual(["save b at 1"]);
  // deleted on both sides
  expect(kinds([], merged([], map, [], SIZE).known)).toEqual([]);
});
