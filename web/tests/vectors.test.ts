/** The cases that Python is held to as well. */
import { describe, expect, test } from "vitest";
import framesCases from "../../tests/vectors/frames.json";
import polygonCases from "../../tests/vectors/polygons.json";
import regionsCases from "../../tests/vectors/regions.json";
import resizeCases from "../../tests/vectors/resize.json";
import rleCases from "../../tests/vectors/rle.json";
import upscaleCases from "../../tests/vectors/upscale.json";
import { bitmapBox } from "../src/core/bitmap";
import { inputSize } from "../src/core/frames";
import { polygonToRle } from "../src/core/polygon";
import { withoutSmallRegions } from "../src/core/regions";
import { resizeRgb } from "../src/core/resize";
import {
  bitmapToRle,
  countsToText,
  rleArea,
  rleBox,
  rleFromCoco,
  rleToBitmap,
} from "../src/core/rle";
import { upscaleMask } from "../src/core/upscale";

type Pair = readonly [number, number];

describe.each(rleCases)("run lengths: $name", ({ size, counts, text, area, box }) => {
  const mask = rleFromCoco({ size: size as unknown as Pair, counts: text });
  const [x0, y0, x1, y1] = box as [number, number, number, number];

  test("text to counts and back", () => {
    expect([...mask.counts]).toEqual(counts);
    expect(countsToText(mask.counts)).toBe(text);
  });
  test("area and box", () => {
    expect(rleArea(mask)).toBe(area);
    expect(rleBox(mask)).toEqual({ x0, y0, x1, y1 });
    expect(bitmapBox(rleToBitmap(mask))).toEqual({ x0, y0, x1, y1 });
  });
  test("pixels and back, of the mask's box and of the whole image", () => {
    const all = { x0: 0, y0: 0, x1: size[1]!, y1: size[0]! };
    expect(bitmapToRle(rleToBitmap(mask), mask.size)).toEqual(mask);
    expect(bitmapToRle(rleToBitmap(mask, all), mask.size)).toEqual(mask);
  });
});

test.each(framesCases)("frame $original_size in $image_size", (frame) => {
  const originalSize = frame.original_size as unknown as Pair;
  expect(inputSize({ originalSize, imageSize: frame.image_size })).toEqual(frame.input_size);
});

test.each(polygonCases)("polygon: $name", ({ size, points, text }) => {
  const corners = Array.from({ length: points.length / 2 }, (_, i) => ({
    x: points[2 * i]!,
    y: points[2 * i + 1]!,
  }));
  expect(countsToText(polygonToRle(corners, size as unknown as Pair).counts)).toBe(text);
});

test.each(regionsCases)("small regions: $name", (given) => {
  const mask = rleFromCoco({ size: given.size as unknown as Pair, counts: given.text });
  const cleaned = withoutSmallRegions(mask, given.min_hole, given.min_speck);
  expect(countsToText(cleaned.counts)).toBe(given.cleaned);
});

test.each(upscaleCases)("mask of logits in $original_size", (given) => {
  const originalSize = given.original_size as unknown as Pair;
  const frame = { originalSize, imageSize: given.image_size };
  const pixels = upscaleMask(Float32Array.from(given.logits), given.side, frame, given.threshold);
  expect(countsToText(bitmapToRle(pixels, originalSize).counts)).toBe(given.text);
});

test.each(resizeCases)("picture of $size scaled", ({ size, pixels, scaled_size, scaled }) => {
  const source = { width: size[1]!, height: size[0]!, data: Uint8Array.from(pixels) };
  const result = resizeRgb(source, scaled_size[1]!, scaled_size[0]!);
  const differences = scaled.map((value, i) => Math.abs(value - result.data[i]!));
  expect(Math.max(...differences)).toBeLessThanOrEqual(1);
});
