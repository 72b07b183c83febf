/** Masks as colours over the picture, at the resolution that is shown. */
import { type Box, emptyBox, isEmpty, intersection, union } from "./bitmap";
import { type Rle, rleArea } from "./rle";
import { type RowRuns, rowRuns, runsOfRow, runsWithout, sharedRuns } from "./row_runs";

/** A mask and its colour, #rrggbb. */
export interface Layer {
  readonly mask: Rle;
  readonly colour: string;
}

/** What is painted of a layer: its rows, which may come from a mask that is still being drawn. */
export interface PaintedLayer {
  readonly runs: RowRuns;
  readonly colour: string;
}

const FILL_ALPHA = 150; // of 255; the rim has all

export const painted = ({ mask, colour }: Layer): PaintedLayer => ({ runs: rowRuns(mask), colour });

/** Large masks first, so that small ones lie on top and can be seen and hit. */
export function inDrawingOrder<T extends { readonly mask: Rle }>(layers: readonly T[]): T[] {
  return [...layers].sort((a, b) => rleArea(b.mask) - rleArea(a.mask));
}

/** The box in which two sets of layers look different; empty when they look the same. */
export function changedBox(before: readonly Layer[], after: readonly Layer[]): Box {
  const [old, now] = [before, after].map(
    (layers) => new Map(layers.map(({ mask, colour }) => [mask, colour])),
  ) as [Map<Rle, string>, Map<Rle, string>];
  const gone = before.filter(({ mask, colour }) => now.get(mask) !== colour);
  const come = after.filter(({ mask, colour }) => old.get(mask) !== colour);
  return [...gone, ...come].map(({ mask }) => rowRuns(mask).box).reduce(union, emptyBox);
}

/**
 * The colours of a box of a picture, RGBA bytes row by row; the last layer lies on top.
 *
 * @param box in pixels of the level.
 * @param level how often the picture was halved; a mask's rim is as wide as one or two of its pixels.
 */
export function paintLayers(
  layers: readonly PaintedLayer[],
  box: Box,
  level: number,
  isOutlineOnly = false,
): Uint8ClampedArray<ArrayBuffer> {
  const step = 2 ** level; // pixels of the image in one of the level
  const edge = level ? Math.round(1.5 * step) : 1;
  const [width, height] = [box.x1 - box.x0, box.y1 - box.y0];
  const bytes = new Uint8ClampedArray(width * height * 4);
  const pixels = new Uint32Array(bytes.buffer);
  for (const { runs, colour } of layers) {
    const [rim, fill] = [packed(colour, 255), packed(colour, FILL_ALPHA)];
    const { y0, y1 } = intersection(scaled(runs.box, step), box);
    for (let y = y0; y < y1; y++) {
      const imageY = y * step + (step >> 1);
      const own = runsOfRow(runs, imageY);
      if (!own.length) continue;
      const line = pixels.subarray((y - box.y0) * width, (y - box.y0 + 1) * width);
      const inside = insideRuns(runs, own, imageY, edge);
      if (isOutlineOnly) paintRuns(line, runsWithout(own, inside), box.x0, step, rim);
      else {
        paintRuns(line, own, box.x0, step, rim);
        paintRuns(line, inside, box.x0, step, fill);
      }
    }
  }
  return bytes;
}

/** Whether any part of a layer lies in a box of the image. */
export function isIn({ runs }: PaintedLayer, box: Box): boolean {
  return !isEmpty(intersection(runs.box, box));
}

/** The runs of a row without the mask's rim. */
function insideRuns(runs: RowRuns, own: Int32Array, y: number, edge: number): number[] {
  const shared = sharedRuns(sharedRuns(own, runsOfRow(runs, y - edge)), runsOfRow(runs, y + edge));
  const inside: number[] = [];
  for (let i = 0; i < shared.length; i += 2)
    if (shared[i + 1]! - shared[i]! > 2 * edge)
      inside.push(shared[i]! + edge, shared[i + 1]! - edge);
  return inside;
}

function paintRuns(
  line: Uint32Array,
  runs: ArrayLike<number>,
  x0: number,
  step: number,
  colour: number,
) {
  for (let i = 0; i < runs.length; i += 2) {
    const first = Math.round(runs[i]! / step);
    // Thin things stay to be seen in small copies.
    const last = Math.max(first + 1, Math.round(runs[i + 1]! / step));
    const [start, end] = [Math.max(0, first - x0), Math.min(line.length, last - x0)];
    if (start < end) line.fill(colour, start, end);
  }
}

/** A box of the image in whole pixels of a level. */
export function scaled({ x0, y0, x1, y1 }: Box, step: number): Box {
  return {
    x0: Math.floor(x0 / step),
    y0: Math.floor(y0 / step),
    x1: Math.ceil(x1 / step),
    y1: Math.ceil(y1 / step),
  };
}

/** #rrggbb as the bytes R, G, B, A of a little-endian number, which all browsers' machines have. */
function packed(colour: string, alpha: number): number {
  const [r, g, b] = [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16)) as [
    number,
    number,
    number,
  ];
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
