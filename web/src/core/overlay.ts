/** All masks of a picture as one picture of colours: computed where something changed, no more. */
import type { Box } from "./bitmap";
import { union, emptyBox } from "./bitmap";
import { type Rle, rleArea, rleBox } from "./rle";
import { type RowRuns, rowRuns, runsOfRow, sharedRuns } from "./row_runs";

/** A mask and its colour, #rrggbb. */
export interface Layer {
  readonly mask: Rle;
  readonly colour: string;
}

const FILL_ALPHA = 150; // of 255; the edge has all

/** Large masks first, so that small ones lie on top and can be seen and hit. */
export function inDrawingOrder<T extends { readonly mask: Rle }>(layers: readonly T[]): T[] {
  const areas = new Map(layers.map((layer) => [layer, rleArea(layer.mask)]));
  return [...layers].sort((a, b) => areas.get(b)! - areas.get(a)!);
}

/** The box in which two sets of layers look different; empty when they look the same. */
export function changedBox(before: readonly Layer[], after: readonly Layer[]): Box {
  const key = ({ mask, colour }: Layer, among: readonly Layer[]) =>
    among.some((other) => other.mask === mask && other.colour === colour);
  const gone = before.filter((layer) => !key(layer, after));
  const come = after.filter((layer) => !key(layer, before));
  return [...gone, ...come].map(({ mask }) => rleBox(mask)).reduce(union, emptyBox);
}

/**
 * The colours of a box of the picture, RGBA bytes row by row; the last layer lies on top.
 *
 * @param edge thickness of a mask's rim in pixels of the image.
 */
export function paintLayers(
  layers: readonly Layer[],
  box: Box,
  edge: number,
): Uint8ClampedArray<ArrayBuffer> {
  const [width, height] = [box.x1 - box.x0, box.y1 - box.y0];
  const bytes = new Uint8ClampedArray(width * height * 4);
  const pixels = new Uint32Array(bytes.buffer);
  for (const { mask, colour } of layers) {
    const runs = rowRuns(mask);
    const [rim, fill] = [packed(colour, 255), packed(colour, FILL_ALPHA)];
    for (let y = box.y0; y < box.y1; y++) {
      const own = runsOfRow(runs, y);
      if (!own.length) continue;
      const line = pixels.subarray((y - box.y0) * width, (y - box.y0 + 1) * width);
      paintRuns(line, own, box, rim);
      paintRuns(line, insideRuns(runs, own, y, edge), box, fill);
    }
  }
  return bytes;
}

/** The runs of a row without the mask's rim. */
function insideRuns(runs: RowRuns, own: Int32Array, y: number, edge: number): number[] {
  const shared = sharedRuns(sharedRuns(own, runsOfRow(runs, y - edge)), runsOfRow(runs, y + edge));
  return shared.map((x, i) => (i % 2 ? x - edge : x + edge));
}

function paintRuns(line: Uint32Array, runs: ArrayLike<number>, box: Box, colour: number) {
  for (let i = 0; i < runs.length; i += 2) {
    const [start, end] = [
      Math.max(0, runs[i]! - box.x0),
      Math.min(line.length, runs[i + 1]! - box.x0),
    ];
    if (start < end) line.fill(colour, start, end);
  }
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
