/** Brush and eraser: which pixels a stroke covers, and masks with them added or removed. */
import { type Bitmap, type Box, emptyBox, intersection, union } from "./bitmap";
import { type Rle, bitmapToRle, rleBox, rleToBitmap } from "./rle";

/** Continuous image coordinates: the centre of the first pixel is (0.5, 0.5). */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Stroke {
  /** The way of the pointer. */
  readonly points: readonly Point[];
  /** In pixels of the image; 0.5 covers single pixels. */
  readonly radius: number;
  readonly erase: boolean;
}

/**
 * Set all pixels of `target` to `value` whose centre lies within `radius` of the line from a to b,
 * and the pixels under both ends; return the box that was touched.
 */
export function paintSegment(
  target: Bitmap,
  a: Point,
  b: Point,
  radius: number,
  value: 0 | 1,
): Box {
  const { x0, y0, width, height, data } = target;
  const inside = { x0, y0, x1: x0 + width, y1: y0 + height };
  const touched = intersection(inside, segmentBox(a, b, radius));
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const lengthSquared = dx * dx + dy * dy;
  for (let y = touched.y0; y < touched.y1; y++)
    for (let x = touched.x0; x < touched.x1; x++) {
      const [px, py] = [x + 0.5 - a.x, y + 0.5 - a.y];
      const along = lengthSquared
        ? Math.min(1, Math.max(0, (px * dx + py * dy) / lengthSquared))
        : 0;
      const [ex, ey] = [px - along * dx, py - along * dy];
      if (ex * ex + ey * ey <= radius * radius) data[(y - y0) * width + x - x0] = value;
    }
  for (const end of [a, b]) {
    const [x, y] = [Math.floor(end.x), Math.floor(end.y)];
    if (x >= inside.x0 && x < inside.x1 && y >= inside.y0 && y < inside.y1)
      data[(y - y0) * width + x - x0] = value;
  }
  return touched;
}

/** The mask after a stroke; the given one stays as it is. */
export function applyStroke(mask: Rle, { points, radius, erase }: Stroke): Rle {
  const [height, width] = mask.size;
  const covered = segments(points).map(([a, b]) => segmentBox(a, b, radius));
  const image = { x0: 0, y0: 0, x1: width, y1: height };
  const reached = erase ? rleBox(mask) : union(rleBox(mask), covered.reduce(union, emptyBox));
  const pixels = rleToBitmap(mask, intersection(reached, image));
  for (const [a, b] of segments(points)) paintSegment(pixels, a, b, radius, erase ? 0 : 1);
  return bitmapToRle(pixels, mask.size);
}

/** Neighbouring points in pairs; a single point is paired with itself. */
export function segments(points: readonly Point[]): [Point, Point][] {
  if (points.length === 1) return [[points[0]!, points[0]!]];
  return points.slice(1).map((point, i) => [points[i]!, point]);
}

function segmentBox(a: Point, b: Point, radius: number): Box {
  const reach = Math.max(radius, 0.5);
  return {
    x0: Math.floor(Math.min(a.x, b.x) - reach),
    y0: Math.floor(Math.min(a.y, b.y) - reach),
    x1: Math.ceil(Math.max(a.x, b.x) + reach) + 1,
    y1: Math.ceil(Math.max(a.y, b.y) + reach) + 1,
  };
}
