import { describe, expect, test } from "vitest";
import { bitmap } from "../src/core/bitmap";
import { applyStroke, paintSegment } from "../src/core/brush";
import { toCoco } from "../src/core/coco";
import { changedBox, inDrawingOrder, paintLayers, painted } from "../src/core/overlay";
import { outline } from "../src/core/outline";
import { maskToLogits, pointTensors } from "../src/core/prompts";
import {
  type Rle,
  bitmapToRle,
  emptyRle,
  rleArea,
  rleContains,
  rleFromCoco,
  rleToBitmap,
} from "../src/core/rle";
import { runsWithout, sharedRuns } from "../src/core/row_runs";
import { fit, pan, toImage, toScreen, zoomAt } from "../src/core/viewport";
import { crc32, zip } from "../src/core/zip";

/** A filled rectangle in an image of 20 x 30 (height x width). */
function rectangle(x0: number, y0: number, x1: number, y1: number): Rle {
  const pixels = bitmap({ x0, y0, x1, y1 });
  pixels.data.fill(1);
  return bitmapToRle(pixels, [20, 30]);
}

describe("run lengths", () => {
  test("a damaged text is refused", () => {
    const coco = (counts: string) => ({ size: [3, 3] as const, counts });
    expect(rleArea(rleFromCoco(coco("013000")))).toBe(3);
    for (const text of ["01300", "0130001", "é", "o", "", "ooooooooo0"])
      expect(() => rleFromCoco(coco(text))).toThrow(RangeError);
  });
  test("zero runs are merged away", () => {
    const mask = rleFromCoco({ size: [1, 6], counts: "20200" }); // 2 0 2 0 2
    expect([...mask.counts]).toEqual([6]);
  });
  test("single pixels are found, none beyond the image", () => {
    const mask = rectangle(2, 3, 5, 20);
    expect(rleContains(mask, 2, 3)).toBe(true);
    expect(rleContains(mask, 4, 19)).toBe(true);
    expect(rleContains(mask, 5, 3)).toBe(false);
    expect(rleContains(mask, 2, 20)).toBe(false);
    expect(rleContains(mask, -1, 3)).toBe(false);
  });
  test("a bitmap beyond the image is refused", () => {
    expect(() => bitmapToRle(bitmap({ x0: 0, y0: 0, x1: 4, y1: 4 }), [3, 9])).toThrow(RangeError);
  });
});

describe("brush", () => {
  const empty = emptyRle([20, 30]);
  const line = (erase: boolean) => ({
    points: [
      { x: 5.5, y: 10.5 },
      { x: 15.5, y: 10.5 },
    ],
    radius: 2,
    erase,
  });

  test("covers the pixels whose centres are within its radius", () => {
    const mask = applyStroke(empty, line(false));
    expect(rleContains(mask, 10, 8)).toBe(true);
    expect(rleContains(mask, 10, 7)).toBe(false);
    expect(rleContains(mask, 3, 10)).toBe(true);
    expect(rleContains(mask, 2, 10)).toBe(false);
    expect(rleArea(mask)).toBe(5 * 11 + 2 * 4);
  });
  test("the smallest brush sets single pixels", () => {
    const points = [{ x: 7.01, y: 3.99 }];
    const mask = applyStroke(empty, { points, radius: 0.5, erase: false });
    expect(rleArea(mask)).toBe(1);
    expect(rleContains(mask, 7, 3)).toBe(true);
  });
  test("erasing what was painted leaves the mask as it was", () => {
    const before = rectangle(20, 2, 25, 9);
    expect(applyStroke(applyStroke(before, line(false)), line(true))).toEqual(before);
  });
  test("strokes over the edge stay in the image", () => {
    const points = [
      { x: -4, y: -4 },
      { x: 40, y: 30 },
    ];
    const mask = applyStroke(empty, { points, radius: 3, erase: false });
    expect(rleContains(mask, 0, 0)).toBe(true);
    expect(rleContains(mask, 29, 19)).toBe(true);
  });
  test("a live stroke paints the same pixels", () => {
    const pixels = rleToBitmap(empty, { x0: 0, y0: 0, x1: 30, y1: 20 });
    const { points, radius } = line(false);
    paintSegment(pixels, points[0]!, points[1]!, radius, 1);
    expect(bitmapToRle(pixels, [20, 30])).toEqual(applyStroke(empty, line(false)));
  });
});

describe("overlay", () => {
  const large = { mask: rectangle(0, 0, 20, 15), colour: "#ff0000" };
  const small = { mask: rectangle(5, 5, 9, 9), colour: "#0000ff" };
  const all = { x0: 0, y0: 0, x1: 30, y1: 20 };
  const at = (bytes: Uint8ClampedArray, x: number, y: number) => [
    ...bytes.subarray((y * 30 + x) * 4, (y * 30 + x) * 4 + 4),
  ];

  test("small masks lie on top, rims are solid, the rest is see-through", () => {
    const bytes = paintLayers(inDrawingOrder([small, large]).map(painted), all, 0);
    expect(at(bytes, 0, 0)).toEqual([255, 0, 0, 255]);
    expect(at(bytes, 2, 2)).toEqual([255, 0, 0, 150]);
    expect(at(bytes, 5, 5)).toEqual([0, 0, 255, 255]);
    expect(at(bytes, 6, 6)).toEqual([0, 0, 255, 150]);
    expect(at(bytes, 25, 18)).toEqual([0, 0, 0, 0]);
  });
  test("only what changed is painted", () => {
    expect(changedBox([large, small], [large])).toEqual({ x0: 5, y0: 5, x1: 9, y1: 9 });
    expect(changedBox([small], [{ ...small }])).toEqual({ x0: 0, y0: 0, x1: 0, y1: 0 });
    const part = paintLayers([large, small].map(painted), { x0: 4, y0: 4, x1: 10, y1: 10 }, 0);
    const whole = paintLayers([large, small].map(painted), all, 0);
    expect([...part.subarray(0, 24)]).toEqual([
      ...whole.subarray((4 * 30 + 4) * 4, (4 * 30 + 10) * 4),
    ]);
  });
  test("halved twice, masks are painted in pixels of four; thin ones are not lost", () => {
    const thin = { mask: rectangle(26, 0, 27, 20), colour: "#00ff00" };
    const bytes = paintLayers([large, thin].map(painted), { x0: 0, y0: 0, x1: 8, y1: 5 }, 2);
    const alphas = Array.from({ length: 8 }, (_, x) => bytes[4 * (8 + x) + 3]);
    expect(alphas).toEqual([255, 255, 150, 150, 255, 0, 0, 255]); // a rim of 6 pixels
  });
  test("outlines only: what lies below is seen", () => {
    const bytes = paintLayers([large, small].map(painted), all, 0, true);
    expect(at(bytes, 0, 0)).toEqual([255, 0, 0, 255]);
    expect(at(bytes, 2, 2)).toEqual([0, 0, 0, 0]);
    expect(at(bytes, 5, 5)).toEqual([0, 0, 255, 255]);
    expect(at(bytes, 6, 6)).toEqual([0, 0, 0, 0]);
  });
  test("runs are cut and shared", () => {
    expect(sharedRuns([0, 5, 8, 12], [3, 9])).toEqual([3, 5, 8, 9]);
    expect(runsWithout([0, 10], [2, 4, 9, 20])).toEqual([0, 2, 4, 9]);
  });
  test("the outline of a rectangle is four lines", () => {
    const lines = outline(rectangle(2, 3, 6, 8));
    const named = Array.from({ length: lines.length / 4 }, (_, i) =>
      lines.slice(4 * i, 4 * i + 4).join(" "),
    );
    expect(named.sort()).toEqual(["2 3 2 8", "2 3 6 3", "2 8 6 8", "6 3 6 8"]);
  });
});

describe("viewport", () => {
  const [image, screen] = [
    { width: 4000, height: 3000 },
    { width: 1000, height: 800 },
  ];

  test("fits the whole picture in the middle", () => {
    const view = fit(image, screen);
    expect(toScreen(view, { x: 2000, y: 1500 })).toEqual({ x: 500, y: 400 });
    expect(toScreen(view, { x: 0, y: 0 }).x).toBeGreaterThan(0);
  });
  test("zooming keeps the point under the pointer", () => {
    const before = fit(image, screen);
    const at = { x: 700, y: 200 };
    const after = zoomAt(before, at, 3, image, screen);
    expect(after.scale).toBeCloseTo(3 * before.scale);
    expect(toImage(after, at).x).toBeCloseTo(toImage(before, at).x);
    expect(toImage(after, at).y).toBeCloseTo(toImage(before, at).y);
  });
  test("the picture cannot be lost", () => {
    const view = pan(fit(image, screen), 1e6, -1e6, image, screen);
    expect(view.x).toBeLessThan(screen.width);
    expect(view.y + image.height * view.scale).toBeGreaterThan(0);
  });
});

test("a box is two points of labels 2 and 3", () => {
  const { coords, labels } = pointTensors({
    clicks: [{ x: 1, y: 2, label: 0 }],
    box: [3, 4, 5, 6],
    maskInput: null,
  });
  expect([...coords]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(labels).toEqual([0n, 2n, 3n]);
});

test("a drawn mask as logits: sure inside and outside, between where covered in part", () => {
  const frame = { originalSize: [20, 30] as const, imageSize: 60 };
  const logits = maskToLogits(rectangle(0, 0, 3, 4), frame, 15); // cells of 2 x 2 pixels
  expect([0, 1, 2].map((i) => Math.round(logits[i]!))).toEqual([10, 0, -10]);
});

test("COCO: names are categories, boxes and areas exact", () => {
  const base = {
    colour: "#000000",
    isHidden: false,
    isLocked: false,
    clicks: [],
    box: null,
    predictedIou: 0.5,
    foundBy: null,
  };
  const annotations = [
    { ...base, id: "a", name: "cup", mask: rectangle(2, 3, 5, 9) },
    { ...base, id: "b", name: "", mask: rectangle(0, 0, 1, 1) },
  ];
  const coco = toCoco(annotations, { fileName: "x.png", width: 30, height: 20 }, "model");
  expect(coco.categories).toEqual([
    { id: 1, name: "cup" },
    { id: 2, name: "object" },
  ]);
  expect(coco.annotations[0]).toMatchObject({
    category_id: 1,
    bbox: [2, 3, 3, 6],
    area: 18,
    image_id: 1,
  });
});

test("a ZIP archive has its entries' check sums and one directory", () => {
  const data = new TextEncoder().encode("123456789");
  expect(crc32(data)).toBe(0xcbf43926);
  const bytes = zip([
    { name: "a.txt", data },
    { name: "b.txt", data },
  ]);
  const view = new DataView(bytes.buffer);
  const end = bytes.length - 22;
  expect(view.getUint32(end, true)).toBe(0x06054b50);
  expect(view.getUint16(end + 10, true)).toBe(2);
  expect(view.getUint32(view.getUint32(end + 16, true), true)).toBe(0x02014b50);
});
