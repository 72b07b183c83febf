/** Polygons as masks: a pixel belongs where its centre lies inside, by the non-zero rule. */
import { bitmap, emptyBox, intersection } from "./bitmap";
import type { Point } from "./brush";
import { combine } from "./mask_sets";
import { type Rle, bitmapToRle } from "./rle";

/** A closed line in continuous image coordinates, added to a mask or cut out of it. */
export interface Polygon {
  readonly points: readonly Point[];
  readonly erase: boolean;
}

/**
 * The pixels that a closed line goes around, also where it goes around twice. A centre exactly on
 * the line belongs to what lies right of and below it, so that neighbours share no pixel.
 */
export function polygonToRle(points: readonly Point[], size: readonly [number, number]): Rle {
  const [height, width] = size;
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const image = { x0: 0, y0: 0, x1: width, y1: height };
  const reached = {
    x0: Math.floor(Math.min(...xs)),
    y0: Math.floor(Math.min(...ys)),
    x1: Math.ceil(Math.max(...xs)) + 1,
    y1: Math.ceil(Math.max(...ys)) + 1,
  };
  const pixels = bitmap(points.length < 3 ? emptyBox : intersection(reached, image));
  for (let row = 0; row < pixels.height; row++) {
    const line = pixels.data.subarray(row * pixels.width, (row + 1) * pixels.width);
    for (const [from, to] of insideRuns(points, pixels.y0 + row + 0.5)) {
      const [start, end] = [from, to].map((x) => Math.max(0, Math.ceil(x - 0.5) - pixels.x0)) as [
        number,
        number,
      ];
      if (start < end) line.fill(1, start, end);
    }
  }
  return bitmapToRle(pixels, size);
}

/** The mask with a polygon added or cut out. */
export function applyPolygon(mask: Rle, { points, erase }: Polygon): Rle {
  return combine(mask, polygonToRle(points, mask.size), erase ? "subtract" : "unite");
}

/** Where a horizontal line runs inside: pairs of x. */
function insideRuns(points: readonly Point[], y: number): [number, number][] {
  const crossings: { x: number; turn: number }[] = [];
  points.forEach((a, i) => {
    const b = points[(i + 1) % points.length]!;
    if (a.y <= y === b.y <= y) return;
    crossings.push({ x: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y <= y ? 1 : -1 });
  });
  crossings.sort((a, b) => a.x - b.x);
  const runs: [number, number][] = [];
  let [winding, start] = [0, 0];
  for (const { x, turn } of crossings) {
    if (winding === 0) start = x;
    winding += turn;
    if (winding === 0) runs.push([start, x]);
  }
  return runs;
}
