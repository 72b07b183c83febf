/** Masks as COCO run lengths: down the columns, background first; the twin of `core/rle.py`. */
import { type Bitmap, type Box, bitmap, emptyBox } from "./bitmap";

/** A mask of an image; never changed once made, so that states may share it. */
export interface Rle {
  /** (H, W) in pixels. */
  readonly size: readonly [number, number];
  /** Run lengths down the columns, background and foreground in turn; none but the first is 0. */
  readonly counts: Uint32Array;
}

const BITS_PER_CHAR = 5;
const MORE = 1 << BITS_PER_CHAR; // set on every character of a number but the last
const FIRST_CHAR = 48; // "0"
const MAX_CHARS = 7;

export function emptyRle(size: readonly [number, number]): Rle {
  return { size, counts: Uint32Array.of(size[0] * size[1]) };
}

/** The runs of a bitmap that lies in an image of this size. */
export function bitmapToRle(pixels: Bitmap, size: readonly [number, number]): Rle {
  const [height, width] = size;
  const { x0, y0, data } = pixels;
  if (x0 < 0 || y0 < 0 || x0 + pixels.width > width || y0 + pixels.height > height)
    throw new RangeError(`The bitmap must lie in the image of ${width} x ${height}.`);
  const counts: number[] = [];
  let position = 0; // where the current run began, down the columns of the image
  let value = 0;
  const changeAt = (place: number) => {
    counts.push(place - position);
    position = place;
    value = 1 - value;
  };
  for (let i = 0; i < pixels.width; i++) {
    const top = (x0 + i) * height + y0;
    // What lies above the bitmap in this column is background.
    if (value === 1 && y0 > 0) changeAt(top - y0);
    for (let j = 0, at = i; j < pixels.height; j++, at += pixels.width)
      if (data[at] !== value) changeAt(top + j);
    if (value === 1 && y0 + pixels.height < height) changeAt(top + pixels.height);
  }
  // A run down to the last row goes no further than the bitmap.
  if (value === 1 && x0 + pixels.width < width) changeAt((x0 + pixels.width) * height);
  counts.push(height * width - position);
  return { size, counts: Uint32Array.from(counts.at(-1) === 0 ? counts.slice(0, -1) : counts) };
}

/** The pixels of a mask inside a box, by default inside its own. */
export function rleToBitmap(mask: Rle, box: Box = rleBox(mask)): Bitmap {
  const pixels = bitmap(box);
  const { x0, y0, width } = pixels;
  for (const [x, from, to] of columnRuns(mask)) {
    if (x < box.x0 || x >= box.x1) continue;
    const stop = Math.min(to, box.y1);
    for (let y = Math.max(from, box.y0); y < stop; y++) pixels.data[(y - y0) * width + x - x0] = 1;
  }
  return pixels;
}

/** The foreground as runs that each lie in one column: x, first y, y after the last. */
export function* columnRuns(mask: Rle): Generator<[number, number, number]> {
  const height = mask.size[0];
  let position = 0;
  for (let run = 0; run < mask.counts.length; run++) {
    const end = position + mask.counts[run]!;
    while (run % 2 === 1 && position < end) {
      const x = Math.floor(position / height);
      const stop = Math.min(end, (x + 1) * height);
      yield [x, position - x * height, stop - x * height];
      position = stop;
    }
    position = end;
  }
}

/** The half-open box of a mask, all zeros when it is empty. */
export function rleBox(mask: Rle): Box {
  let [x0, y0, x1, y1] = [Infinity, Infinity, 0, 0];
  for (const [x, from, to] of columnRuns(mask)) {
    x0 = Math.min(x0, x);
    y0 = Math.min(y0, from);
    x1 = x + 1;
    y1 = Math.max(y1, to);
  }
  return x1 === 0 ? emptyBox : { x0, y0, x1, y1 };
}

const areas = new WeakMap<Rle, number>(); // lists of hundreds of masks ask again and again

/** The number of foreground pixels. */
export function rleArea(mask: Rle): number {
  let area = areas.get(mask);
  if (area !== undefined) return area;
  area = 0;
  for (let run = 1; run < mask.counts.length; run += 2) area += mask.counts[run]!;
  areas.set(mask, area);
  return area;
}

/** Whether the pixel belongs to the mask; no pixel beyond the image does. */
export function rleContains(mask: Rle, x: number, y: number): boolean {
  const [height, width] = mask.size;
  if (x < 0 || y < 0 || x >= width || y >= height) return false;
  let left = x * height + y;
  for (let run = 0; run < mask.counts.length; run++) {
    left -= mask.counts[run]!;
    if (left < 0) return run % 2 === 1;
  }
  return false;
}

/** COCO's text: counts less the one two before, in signed 5-bit groups, lowest first. */
export function countsToText(counts: Uint32Array): string {
  let text = "";
  counts.forEach((count, run) => {
    let left = run > 2 ? count - counts[run - 2]! : count;
    for (let unfinished = true; unfinished;) {
      const group = left & (MORE - 1);
      left >>= BITS_PER_CHAR;
      // A number ends when the rest is only the sign that its last group already shows.
      unfinished = left !== (group & (MORE >> 1) ? -1 : 0);
      text += String.fromCharCode(FIRST_CHAR + group + (unfinished ? MORE : 0));
    }
  });
  return text;
}

/** A mask from COCO's form; a RangeError says why text and size are none. */
export function rleFromCoco(coco: { size: readonly [number, number]; counts: string }): Rle {
  const counts: number[] = [];
  let [number, chars] = [0, 0];
  for (const char of coco.counts) {
    const code = char.charCodeAt(0) - FIRST_CHAR;
    if (code < 0 || code >= 2 * MORE || ++chars > MAX_CHARS) throw damagedText();
    // Not shifted: 35 bits do not fit.
    number += (code & (MORE - 1)) * 2 ** (BITS_PER_CHAR * (chars - 1));
    if (code & MORE) continue;
    if (code & (MORE >> 1)) number -= 2 ** (BITS_PER_CHAR * chars);
    counts.push(counts.length > 2 ? number + counts[counts.length - 2]! : number);
    [number, chars] = [0, 0];
  }
  if (chars) throw damagedText();
  return rleFromCounts(coco.size, counts);
}

/** A mask from plain run lengths; a RangeError says when they are none of this size. */
export function rleFromCounts(size: readonly [number, number], counts: readonly number[]): Rle {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (
    !counts.every((count) => Number.isInteger(count) && count >= 0) ||
    total !== size[0] * size[1]
  )
    throw damagedText();
  return { size: [size[0], size[1]], counts: withoutZeroRuns(counts) };
}

export function rleToCoco(mask: Rle): { size: [number, number]; counts: string } {
  return { size: [...mask.size], counts: countsToText(mask.counts) };
}

function withoutZeroRuns(counts: readonly number[]): Uint32Array {
  const kept: number[] = [];
  counts.forEach((count, run) => {
    const isJoined = kept.length > 0 && kept.length % 2 !== run % 2;
    if (isJoined) kept[kept.length - 1]! += count;
    else if (count > 0 || run === 0) kept.push(count);
  });
  return Uint32Array.from(kept);
}

const damagedText = () =>
  new RangeError("counts must be COCO run lengths of this size, got damaged ones.");
