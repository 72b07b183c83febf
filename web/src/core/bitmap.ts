/** Boxes, and pixels of a part of an image. */

/** Whole pixels, half-open: `x1 - x0` is the width. */
export interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** The pixels of a part of an image, row by row: 1 is inside a mask, 0 outside. */
export interface Bitmap {
  readonly x0: number;
  readonly y0: number;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export const emptyBox: Box = { x0: 0, y0: 0, x1: 0, y1: 0 };

export const isEmpty = (box: Box): boolean => box.x1 <= box.x0 || box.y1 <= box.y0;

/** An empty bitmap that covers the box. */
export function bitmap({ x0, y0, x1, y1 }: Box): Bitmap {
  const [width, height] = [x1 - x0, y1 - y0];
  return { x0, y0, width, height, data: new Uint8Array(width * height) };
}

/** The smallest box that holds both; an empty one adds nothing. */
export function union(a: Box, b: Box): Box {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return {
    x0: Math.min(a.x0, b.x0),
    y0: Math.min(a.y0, b.y0),
    x1: Math.max(a.x1, b.x1),
    y1: Math.max(a.y1, b.y1),
  };
}

/** What two boxes share; empty where they share nothing. */
export function intersection(a: Box, b: Box): Box {
  const shared = {
    x0: Math.max(a.x0, b.x0),
    y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
  };
  return isEmpty(shared) ? emptyBox : shared;
}

/** The box of the set pixels, in the image's coordinates; empty when there are none. */
export function bitmapBox({ x0, y0, width, height, data }: Bitmap): Box {
  let box: Box = emptyBox;
  for (let row = 0; row < height; row++) {
    const first = data.subarray(row * width, (row + 1) * width).indexOf(1);
    if (first < 0) continue;
    const last = data.subarray(row * width, (row + 1) * width).lastIndexOf(1);
    box = union(box, { x0: x0 + first, y0: y0 + row, x1: x0 + last + 1, y1: y0 + row + 1 });
  }
  return box;
}
