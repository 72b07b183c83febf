import { describe, expect, test } from "vitest";
import { NO_FILTER, type Filter, matching, passes } from "../src/viewer/filter";
import { imageHash, placeOf } from "../src/viewer/route";
import { siteOf } from "../src/viewer/site";

const UNKNOWN = 255;
/** Three images with two, none and one mask. */
const site = siteOf(
  {
    version: 1,
    title: "ours",
    palette: ["#000000"],
    score_scale: 200,
    unknown: UNKNOWN,
    images: {
      ids: [7, 8, 109],
      names: ["b10.jpg", "b9.png", "A.jpg"],
      widths: [640, 480, 100],
      heights: [480, 640, 100],
      num_masks: [2, 0, 1],
      pictures: ["parts/0000/0.jpg", "parts/0000/1.png", "parts/0001/0.jpg"],
    },
    regions: { "1": [{ box: [0, 0, 2, 2], kind: "face" }] },
    num_broken_rules: null,
    num_problems: 0,
  },
  Uint8Array.of(180, 190, UNKNOWN, 200, 100, UNKNOWN, 20, 60, 180),
);
const found = (change: Partial<Filter>) =>
  matching(site, { ...NO_FILTER, ...change }).map(({ id }) => id);
const masks = (change: Partial<Filter["masks"]>) => ({ masks: { ...NO_FILTER.masks, ...change } });

describe("a site", () => {
  test("has its files beside the pictures", () => {
    const { small, smallMasks, masks } = site.images[1]!;
    expect([small, smallMasks, masks]).toEqual([
      "parts/0000/1_small.jpg",
      "parts/0000/1_masks.png",
      "parts/0000/1.json",
    ]);
  });
  test("knows where the masks of an image begin", () => {
    expect(site.images.map(({ firstMask }) => firstMask)).toEqual([0, 2, 2]);
    expect(site.numMasks).toBe(3);
  });
  test("knows scores, and which are unknown", () => {
    expect(site.columns.predictedIou[0]).toBeCloseTo(0.9);
    expect(site.columns.predictedIou[2]).toBeNaN();
    expect(site.columns.relativeSize[2]).toBeCloseTo(0.9);
  });
  test("knows the regions of an image", () => {
    expect(site.regions?.get(1)).toHaveLength(1);
    expect(site.regions?.get(0)).toBeUndefined();
  });
});

describe("a filter", () => {
  test("of nothing lets everything through", () => {
    expect(found({})).toEqual([7, 8, 109]);
  });
  test("finds names in any case, and numbers", () => {
    expect(found({ text: " B" })).toEqual([7, 8]);
    expect(found({ text: "10" })).toEqual([7, 109]);
  });
  test("counts masks and sides, both ends included", () => {
    expect(found({ numMasks: [1, 2] })).toEqual([7, 109]);
    expect(found({ numMasks: [-Infinity, 0] })).toEqual([8]);
    expect(found({ shortestSide: [480, 480] })).toEqual([7, 8]);
  });
  test("wants one mask that is within all ranges", () => {
    expect(found(masks({ predictedIou: [0.95, 1] }))).toEqual([7]);
    expect(found(masks({ predictedIou: [0.9, 0.9], stability: [1, 1] }))).toEqual([7]);
    expect(found(masks({ predictedIou: [0.95, 1], stability: [1, 1] }))).toEqual([]);
    expect(found(masks({ relativeSize: [0.3, 1] }))).toEqual([7, 109]);
  });
  test("tells the masks that it wants", () => {
    const filter = { ...NO_FILTER, ...masks({ stability: [0.9, 1] }) };
    expect([0, 1, 2].map((index) => passes(site, index, filter))).toEqual([true, false, false]);
  });
  test("orders, either way", () => {
    expect(found({ order: "name" })).toEqual([109, 8, 7]);
    expect(found({ order: "masks" })).toEqual([8, 109, 7]);
    expect(found({ order: "masks", isDescending: true })).toEqual([7, 109, 8]);
    expect(found({ order: "stability", isDescending: true })[0]).toBe(7);
  });
});

describe("an address", () => {
  test("names an image and a mask", () => {
    expect(placeOf(imageHash(3))).toEqual({ image: 3, mask: null });
    expect(placeOf(imageHash(3, 12))).toEqual({ image: 3, mask: 12 });
  });
  test("is the grid otherwise", () => {
    for (const hash of ["", "#", "#image=", "#image=-1", "#image=1&mask=x"])
      expect(placeOf(hash)).toBeNull();
  });
});
