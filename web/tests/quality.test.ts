import { expect, test } from "vitest";
import { rleFromCounts } from "../src/core/rle";
import { closeUp } from "../src/ui/quality/five_views";
import { hashOf, readRoute } from "../src/ui/server/route";

test("a close-up has a margin around the mask and stays inside the image", () => {
  const [height, width] = [100, 200];
  const counts = [60 * height + 40];
  for (let x = 60; x < 160; x++) counts.push(10, height - 10);
  counts.splice(-1, 1, 40 * height + 50);
  const mask = rleFromCounts([height, width], counts);
  expect(closeUp(mask)).toEqual({ x0: 30, y0: 10, x1: 190, y1: 80 });
  const corner = rleFromCounts([height, width], [0, 2, height * width - 2]);
  expect(closeUp(corner)).toEqual({ x0: 0, y0: 0, x1: 17, y1: 18 });
});

test("the address names rating and quality", () => {
  for (const screen of ["rating", "quality"] as const) {
    const route = { screen, project: 3 };
    expect(readRoute(hashOf(route))).toEqual(route);
  }
});
