/** Masks as horizontal runs: what drawing wants, and small enough to keep for every mask. */
import { type Bitmap, type Box, bitmapBox } from "./bitmap";
import { type Rle, rleBox, rleToBitmap } from "./rle";

/** The foreground row by row; row `box.y0 + i` has the pairs from `offsets[i]` to `offsets[i + 1]`. */
export interface RowRuns {
  /** Of the foreground. */
  readonly box: Box;
  readonly offsets: Uint32Array;
  /** x of the first pixel of a run and of the one after its last, in turn. */
  readonly xs: Int32Array;
}

const kept = new WeakMap<Rle, RowRuns>();

/** The rows of a mask; computed once a mask. */
export function rowRuns(mask: Rle): RowRuns {
  let runs = kept.get(mask);
  if (!runs) kept.set(mask, (runs = runsOfBitmap(rleToBitmap(mask), rleBox(mask))));
  return runs;
}

/** The pairs of one row; none where the mask has no such row. */
export function runsOfRow({ box, offsets, xs }: RowRuns, y: number): Int32Array {
  const row = y - box.y0;
  if (row < 0 || row >= offsets.length - 1) return xs.subarray(0, 0);
  return xs.subarray(offsets[row]!, offsets[row + 1]!);
}

/** The rows of a bitmap inside a box, by default all of them. */
export function runsOfBitmap(pixels: Bitmap, box: Box = bitmapBox(pixels)): RowRuns {
  const { x0, y0, width, data } = pixels;
  const offsets = new Uint32Array(box.y1 - box.y0 + 1);
  const xs: number[] = [];
  for (let y = box.y0; y < box.y1; y++) {
    const line = data.subarray((y - y0) * width, (y - y0 + 1) * width);
    for (let start = line.indexOf(1); start >= 0;) {
      const gap = line.indexOf(0, start);
      const end = gap < 0 ? width : gap;
      xs.push(x0 + start, x0 + end);
      start = end < width ? line.indexOf(1, end) : -1;
    }
    offsets[y - box.y0 + 1] = xs.length;
  }
  return { box, offsets, xs: Int32Array.from(xs) };
}

/** What two rows' runs share, as runs. */
export function sharedRuns(a: ArrayLike<number>, b: ArrayLike<number>): number[] {
  const shared: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [start, end] = [Math.max(a[i]!, b[j]!), Math.min(a[i + 1]!, b[j + 1]!)];
    if (start < end) shared.push(start, end);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return shared;
}

/** What the first row's runs have and the second's have not, as runs. */
export function runsWithout(a: ArrayLike<number>, b: ArrayLike<number>): number[] {
  const gaps = [-Infinity, ...Array.from(b), Infinity];
  return sharedRuns(a, gaps);
}
