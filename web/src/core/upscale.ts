/** Low-resolution logits to the pixels of the image, with work only where an outline passes. */
import { type Bitmap, type Box, bitmap, emptyBox, isEmpty } from "./bitmap";
import { type ImageFrame, inputSize } from "./frames";

const TAPS = 3; // two linear steps in a row read three neighbouring cells

/** How the pixels along one axis of the image read the cells of the logits. */
interface Axis {
  /** The first of the three cells of each pixel. */
  readonly first: Int32Array;
  /** The shares of the three cells, pixel by pixel. */
  readonly weights: Float32Array;
}

/**
 * The mask that logits show in the image, as the released model scales them up: bilinearly to its
 * square, without the padding, bilinearly to the image.
 *
 * @param logits side * side float32 of the model's square, row by row.
 * @returns the pixels above the threshold, in a bitmap around them.
 */
export function upscaleMask(
  logits: Float32Array,
  side: number,
  frame: ImageFrame,
  threshold: number,
): Bitmap {
  const [rows, columns] = [axis(frame, 0, side), axis(frame, 1, side)];
  const box = reachedBox(logits, side, threshold, rows, columns);
  const target = bitmap(box);
  if (isEmpty(box)) return target;
  const wide = new Map<number, Float32Array>(); // rows of cells, scaled along x
  const wideRow = (cell: number) => {
    let row = wide.get(cell);
    if (!row) wide.set(cell, (row = scaledRow(logits.subarray(cell * side), columns, box)));
    return row;
  };
  const spans = cellSpans(columns, box);
  for (let y = box.y0; y < box.y1; y++) {
    const cell = rows.first[y]!;
    const [a, b, c] = [wideRow(cell), wideRow(cell + 1), wideRow(cell + 2)];
    const [wa, wb, wc] = [0, 1, 2].map((tap) => rows.weights[TAPS * y + tap]!) as [
      number,
      number,
      number,
    ];
    const row = target.data.subarray((y - box.y0) * target.width, (y - box.y0 + 1) * target.width);
    for (const span of spans) {
      const where = sideOfThreshold(logits, side, cell, span.cell, threshold);
      if (where === "above") row.fill(1, span.from, span.to);
      else if (where === "crossed")
        for (let i = span.from; i < span.to; i++)
          row[i] = wa * a[i]! + wb * b[i]! + wc * c[i]! > threshold ? 1 : 0;
    }
  }
  return target;
}

/** `axis` 0 for y, 1 for x. */
function axis(frame: ImageFrame, index: 0 | 1, side: number): Axis {
  const length = frame.originalSize[index];
  const inputLength = inputSize(frame)[index];
  const first = new Int32Array(length);
  const weights = new Float32Array(TAPS * length);
  for (let i = 0; i < length; i++) {
    const outer = taps(i, inputLength / length, inputLength);
    const near = taps(outer.low, side / frame.imageSize, side);
    const far = taps(outer.high, side / frame.imageSize, side);
    const start = Math.min(near.low, side - TAPS);
    first[i] = start;
    for (const [tap, share] of [
      [near, 1 - outer.share],
      [far, outer.share],
    ] as const) {
      weights[TAPS * i + tap.low - start]! += share * (1 - tap.share);
      weights[TAPS * i + tap.high - start]! += share * tap.share;
    }
  }
  return { first, weights };
}

/** The two neighbours that a pixel reads when it is scaled linearly, and the share of the second. */
function taps(i: number, scale: number, length: number) {
  const place = Math.max(0, (i + 0.5) * scale - 0.5);
  const low = Math.min(Math.floor(place), length - 1);
  return { low, high: Math.min(low + 1, length - 1), share: place - low };
}

/** The pixels that read a cell above the threshold. */
function reachedBox(
  logits: Float32Array,
  side: number,
  threshold: number,
  rows: Axis,
  columns: Axis,
): Box {
  const hotRows = new Uint8Array(side);
  const hotColumns = new Uint8Array(side);
  for (let i = 0; i < side * side; i++)
    if (logits[i]! > threshold) hotRows[Math.floor(i / side)] = hotColumns[i % side] = 1;
  const [y0, y1] = reachedRange(rows, hotRows);
  const [x0, x1] = reachedRange(columns, hotColumns);
  return x1 && y1 ? { x0, y0, x1, y1 } : emptyBox;
}

function reachedRange({ first }: Axis, hot: Uint8Array): [number, number] {
  let [start, end] = [0, 0];
  first.forEach((cell, i) => {
    if (!hot[cell] && !hot[cell + 1] && !hot[cell + 2]) return;
    if (!end) start = i;
    end = i + 1;
  });
  return [start, end];
}

function scaledRow(cells: Float32Array, { first, weights }: Axis, box: Box): Float32Array {
  const row = new Float32Array(box.x1 - box.x0);
  for (let i = 0; i < row.length; i++) {
    const x = i + box.x0;
    const cell = first[x]!;
    const at = TAPS * x;
    row[i] =
      weights[at]! * cells[cell]! +
      weights[at + 1]! * cells[cell + 1]! +
      weights[at + 2]! * cells[cell + 2]!;
  }
  return row;
}

/** Neighbouring pixels of a row that read the same cells, counted from the box's edge. */
function cellSpans({ first }: Axis, box: Box): { cell: number; from: number; to: number }[] {
  const spans: { cell: number; from: number; to: number }[] = [];
  for (let x = box.x0; x < box.x1; x++) {
    const last = spans.at(-1);
    if (last?.cell === first[x]) last!.to = x - box.x0 + 1;
    else spans.push({ cell: first[x]!, from: x - box.x0, to: x - box.x0 + 1 });
  }
  return spans;
}

/** No interpolated value leaves the range of the cells that it is made of. */
function sideOfThreshold(
  logits: Float32Array,
  side: number,
  row: number,
  column: number,
  threshold: number,
): "above" | "below" | "crossed" {
  let above = 0;
  for (let i = 0; i < TAPS; i++)
    for (let j = 0; j < TAPS; j++) if (logits[(row + i) * side + column + j]! > threshold) above++;
  return above === TAPS * TAPS ? "above" : above === 0 ? "below" : "crossed";
}
