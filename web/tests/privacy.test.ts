import { describe, expect, test } from "vitest";
import { boxBetween, middleBox, movedBox, placed, resizedBox } from "../src/ui/privacy/boxes";
import { hashOf, readRoute } from "../src/ui/server/route";

const SIZE = { width: 100, height: 50 };

describe("boxes of regions", () => {
  test("are drawn between corners in any order, inside the picture", () => {
    expect(boxBetween([30, 40], [10, -5], SIZE)).toEqual([10, 0, 30, 40]);
    expect(boxBetween([10, 10], [11, 30], SIZE)).toBeNull();
  });
  test("move without changing size, up to the edge", () => {
    expect(movedBox([10, 10, 30, 20], 5, -3, SIZE)).toEqual([15, 7, 35, 17]);
    expect(movedBox([10, 10, 30, 20], 500, -500, SIZE)).toEqual([80, 0, 100, 10]);
  });
  test("change by a corner and never turn over", () => {
    expect(resizedBox([10, 10, 30, 20], [1, 1], 4, 5, SIZE)).toEqual([10, 10, 34, 25]);
    expect(resizedBox([10, 10, 30, 20], [-1, -1], 4, 500, SIZE)).toEqual([14, 18, 30, 20]);
    expect(resizedBox([10, 10, 30, 20], [1, -1], -500, -500, SIZE)).toEqual([10, 0, 12, 20]);
  });
  test("appear in the middle, also of a tiny picture", () => {
    expect(middleBox(SIZE)).toEqual([45, 20, 55, 30]);
    expect(middleBox({ width: 1, height: 1 })).toEqual([0, 0, 1, 1]);
  });
  test("are placed in shares of the picture", () => {
    expect(placed([10, 10, 30, 20], SIZE)).toEqual({
      left: "10%",
      top: "20%",
      width: "20%",
      height: "20%",
    });
  });
});

test("the address names list and picture", () => {
  for (const image of [null, 7]) {
    const route = { screen: "privacy", project: 3, image } as const;
    expect(readRoute(hashOf(route))).toEqual(route);
  }
});
