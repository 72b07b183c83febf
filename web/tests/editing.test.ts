/** Polygons, masks as sets, clean-up and COCO files from elsewhere. */
import { describe, expect, test } from "vitest";
import { bitmap } from "../src/core/bitmap";
import { toCoco } from "../src/core/coco";
import { fromCoco } from "../src/core/coco_import";
import {
  type Action,
  type Document,
  newAnnotation,
  newDocument,
  reduce,
} from "../src/core/document";
import { combine, isSameMask } from "../src/core/mask_sets";
import { applyPolygon, polygonToRle } from "../src/core/polygon";
import {
  type Rle,
  bitmapToRle,
  emptyRle,
  rleArea,
  rleContains,
  rleToBitmap,
} from "../src/core/rle";

const SIZE = [20, 30] as const;

function rectangle(x0: number, y0: number, x1: number, y1: number): Rle {
  const pixels = bitmap({ x0, y0, x1, y1 });
  pixels.data.fill(1);
  return bitmapToRle(pixels, SIZE);
}

const points = (...xy: number[]) =>
  Array.from({ length: xy.length / 2 }, (_, i) => ({ x: xy[2 * i]!, y: xy[2 * i + 1]! }));

/** A repeatable source of numbers in [0, 1): Park and Miller. */
function numbers(seed: number) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

describe("polygons", () => {
  test("along pixel edges a rectangle is exact", () => {
    expect(polygonToRle(points(2, 3, 9, 3, 9, 12, 2, 12), SIZE)).toEqual(rectangle(2, 3, 9, 12));
  });
  test("two that share an edge share no pixel and leave none out", () => {
    const left = polygonToRle(points(0, 0, 7.5, 0, 12.5, 20, 0, 20), SIZE);
    const right = polygonToRle(points(7.5, 0, 30, 0, 30, 20, 12.5, 20), SIZE);
    expect(rleArea(combine(left, right, "intersect"))).toBe(0);
    expect(rleArea(combine(left, right, "unite"))).toBe(600);
  });
  test("what a line goes around twice is inside, in either direction", () => {
    const twice = points(2, 2, 20, 2, 20, 12, 2, 12, 2, 2, 20, 2, 20, 12, 2, 12);
    expect(polygonToRle(twice, SIZE)).toEqual(rectangle(2, 2, 20, 12));
    expect(polygonToRle(twice.toReversed(), SIZE)).toEqual(rectangle(2, 2, 20, 12));
  });
  test("pixels are those whose centres have a winding number", () => {
    const random = numbers(5);
    for (let round = 0; round < 40; round++) {
      const line = Array.from({ length: 3 + (round % 6) }, () => ({
        x: 40 * random() - 5,
        y: 30 * random() - 5,
      }));
      const mask = polygonToRle(line, SIZE);
      for (let y = 0; y < 20; y++)
        for (let x = 0; x < 30; x++)
          expect(rleContains(mask, x, y)).toBe(angleAround(line, x + 0.5, y + 0.5) !== 0);
    }
  });
  test("less than a triangle is nothing, beyond the image is cut off", () => {
    expect(rleArea(polygonToRle(points(1, 1, 5, 5), SIZE))).toBe(0);
    expect(rleArea(polygonToRle(points(-9, -9, 99, -9, 99, 99, -9, 99), SIZE))).toBe(600);
    expect(rleArea(polygonToRle(points(50, 50, 60, 50, 60, 60), SIZE))).toBe(0);
  });
  test("added and cut out", () => {
    const square = { points: points(2, 2, 6, 2, 6, 6, 2, 6), erase: false };
    const both = applyPolygon(rectangle(10, 10, 12, 12), square);
    expect(rleArea(both)).toBe(20);
    expect(applyPolygon(both, { ...square, erase: true })).toEqual(rectangle(10, 10, 12, 12));
  });
});

/** Whole turns of a closed line around a point, from the angles: another way than the one tested. */
function angleAround(line: readonly { x: number; y: number }[], x: number, y: number): number {
  const angles = line.map((p) => Math.atan2(p.y - y, p.x - x));
  const turns = angles.map((a, i) => {
    const turn = angles[(i + 1) % angles.length]! - a;
    return turn > Math.PI ? turn - 2 * Math.PI : turn < -Math.PI ? turn + 2 * Math.PI : turn;
  });
  return Math.round(turns.reduce((sum, turn) => sum + turn, 0) / (2 * Math.PI));
}

test("masks as sets: the same as pixel by pixel", () => {
  const random = numbers(9);
  const all = { x0: 0, y0: 0, x1: 30, y1: 20 };
  const noise = (share: number) => {
    const pixels = bitmap(all);
    pixels.data.forEach((_, i) => (pixels.data[i] = random() < share ? 1 : 0));
    return bitmapToRle(pixels, SIZE);
  };
  for (const [a, b] of [
    [noise(0.5), noise(0.5)],
    [noise(0.05), noise(0.9)],
    [emptyRle(SIZE), noise(0.5)],
    [rectangle(0, 0, 30, 20), noise(0.5)],
  ] as const) {
    const [pa, pb] = [rleToBitmap(a, all).data, rleToBitmap(b, all).data];
    const expected = (belongs: (a: number, b: number) => number) =>
      bitmapToRle({ ...bitmap(all), data: pa.map((value, i) => belongs(value, pb[i]!)) }, SIZE);
    expect(combine(a, b, "unite")).toEqual(expected((x, y) => x | y));
    expect(combine(a, b, "intersect")).toEqual(expected((x, y) => x & y));
    expect(combine(a, b, "subtract")).toEqual(expected((x, y) => x & (1 - y)));
    expect(isSameMask(combine(a, a, "unite"), a)).toBe(true);
  }
  expect(() => combine(emptyRle([2, 2]), emptyRle([1, 4]), "unite")).toThrow(RangeError);
});

describe("objects with their neighbours", () => {
  const frame = { originalSize: SIZE, imageSize: 32 };
  const named = (id: string, mask: Rle, values: object = {}) => ({
    ...newAnnotation(id, mask, 0),
    ...values,
  });
  const start = newDocument(frame, 0, [
    named("a", rectangle(0, 0, 10, 10), { predictedIou: 0.9 }),
    named("b", rectangle(5, 0, 15, 10)),
    named("c", rectangle(2, 2, 4, 4)),
  ]);
  const run = (document: Document, ...actions: Action[]) => actions.reduce(reduce, document);
  const areas = ({ sheet }: Document) =>
    Object.fromEntries(sheet.annotations.map(({ id, mask }) => [id, rleArea(mask)]));

  test("unite takes the other one in; undo gives it back", () => {
    const united = run(start, { type: "combine", operation: "unite", id: "a", other: "b" });
    expect(areas(united)).toEqual({ a: 150, c: 4 });
    expect(united.sheet.annotations[0]!.predictedIou).toBeNull();
    expect(run(united, { type: "undo" }).sheet).toBe(start.sheet);
    expect(areas(run(start, { type: "combine", operation: "unite", id: "a", other: "c" }))).toEqual(
      {
        a: 100,
        b: 100,
      },
    );
  });
  test("intersect and subtract leave the other one", () => {
    const act = (operation: "intersect" | "subtract"): Action => ({
      type: "combine",
      operation,
      id: "a",
      other: "b",
    });
    expect(areas(run(start, act("intersect")))).toEqual({ a: 50, b: 100, c: 4 });
    expect(areas(run(start, act("subtract")))).toEqual({ a: 50, b: 100, c: 4 });
  });
  test("what is shared goes to one side; what would vanish stays", () => {
    const keeping = (keeper: "this" | "others"): Action => ({ type: "separate", id: "a", keeper });
    expect(areas(run(start, keeping("others")))).toEqual({ a: 46, b: 100, c: 4 });
    expect(areas(run(start, keeping("this")))).toEqual({ a: 100, b: 50, c: 4 });
  });
  test("locked objects are not changed, hidden ones take no part", () => {
    const locked = run(start, { type: "change", id: "b", values: { isLocked: true } });
    expect(areas(run(locked, { type: "separate", id: "a", keeper: "this" }))).toEqual(areas(start));
    const unite: Action = { type: "combine", operation: "unite", id: "a", other: "b" };
    expect(run(locked, unite)).toBe(locked);
    const hidden = run(start, { type: "change", id: "b", values: { isHidden: true } });
    expect(areas(run(hidden, { type: "separate", id: "a", keeper: "others" })).a).toBe(96);
  });
  test("the object in hand, with what is drawn so far", () => {
    const polygon = { points: points(0, 12, 20, 12, 20, 20, 0, 20), erase: false };
    const drawn = run(start, { type: "edit", id: "a" }, { type: "polygon", polygon, id: "x" });
    expect(rleArea(drawn.sheet.draft!.mask)).toBe(260);
    const cut = run(drawn, { type: "combine", operation: "subtract", id: "a", other: "b" });
    expect(rleArea(cut.sheet.draft!.mask)).toBe(210);
    expect(areas(cut).a).toBe(100); // until it is kept
  });
  test("clean-up is a step of its own", () => {
    const speck = { points: points(25, 15, 27, 15, 27, 17, 25, 17), erase: false };
    const drawn = run(
      start,
      { type: "edit", id: "c" },
      { type: "polygon", polygon: speck, id: "x" },
    );
    const clean: Action = { type: "clean", id: "c", minHole: 0, minSpeck: 5 };
    expect(run(drawn, clean).sheet.draft!.mask).toEqual(start.sheet.annotations[2]!.mask);
    expect(run(start, clean)).toBe(start);
  });
  test("masks from elsewhere come last or replace, one step to undo", () => {
    const locked = run(start, { type: "change", id: "b", values: { isLocked: true } });
    const put: Action = {
      type: "put",
      annotations: ["a", "b", "d"].map((id) => named(id, rectangle(0, 0, 1, 1))),
    };
    expect(areas(run(locked, put))).toEqual({ a: 1, b: 100, c: 4, d: 1 });
    expect(run(locked, put, { type: "undo" }).sheet).toBe(locked.sheet);
  });
});

describe("COCO from elsewhere", () => {
  const image = { fileName: "x.png", width: 30, height: 20 };
  let numIds = 0;
  const read = (coco: unknown) =>
    fromCoco(typeof coco === "string" ? coco : JSON.stringify(coco), image, () => `${++numIds}`, 3);
  const file = (segmentations: unknown[], values: object = {}) => ({
    images: [{ id: 7, file_name: "folder/x.png", width: 30, height: 20 }],
    categories: [{ id: 2, name: "cup" }],
    annotations: segmentations.map((segmentation) => ({
      image_id: 7,
      category_id: 2,
      segmentation,
    })),
    ...values,
  });

  test("what was exported comes back", () => {
    const own = {
      ...newAnnotation("u", rectangle(2, 3, 9, 12), 3),
      clicks: [{ x: 4, y: 5, label: 0 as const }],
      predictedIou: 0.5,
    };
    expect(read(toCoco([own], image, "model")).annotations).toEqual([own]);
  });
  test("text, plain counts and polygons with several parts", () => {
    const mask = rectangle(2, 3, 9, 12);
    const { annotations, numSkipped } = read(
      file([
        { size: [20, 30], counts: [...mask.counts] },
        [
          [2, 3, 9, 3, 9, 12, 2, 12],
          [20, 15, 22, 15, 22, 17, 20, 17],
        ],
        { size: [5, 5], counts: [25] },
        [[1, 2, 3]],
        "text",
      ]),
    );
    expect(annotations.map((a) => rleArea(a.mask))).toEqual([63, 67]);
    expect(annotations[0]).toMatchObject({ mask, name: "cup" });
    expect(numSkipped).toBe(3);
  });
  test("another picture of the same size is not taken for this one", () => {
    const others = [1, 2].map((id) => ({ id, file_name: `${id}.png`, width: 30, height: 20 }));
    expect(() => read(file([], { images: others }))).toThrow(/must know x.png/);
    expect(() => read(file([[1]], { images: [{ ...others[0], id: 7 }] }))).toThrow(/only empty/);
  });
  test("a file of the name but another size, no JSON, other JSON: one line each", () => {
    const larger = [{ id: 7, file_name: "x.png", width: 60, height: 40 }];
    expect(() => read(file([], { images: larger }))).toThrow(
      /30 x 20 pixels in the file, got 60 x 40/,
    );
    for (const text of ["{", "[]", "null", '{"images": []}'])
      expect(() => read(text)).toThrow(/COCO/);
  });
});
