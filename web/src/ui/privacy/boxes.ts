/** Boxes under the hand: drawn, moved and resized, always inside the picture. */
import type { RegionBox } from "../../api/privacy";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Which sides a drag takes along: -1 the left or upper one, 1 the other, 0 neither. */
export type Corner = readonly [-1 | 1, -1 | 1];

/** Pixels of the image: smaller ones are slips of the hand. */
export const LEAST_SIDE = 2;

/** The box between two corners in any order; null if it is a slip. */
export function boxBetween(
  a: readonly [number, number],
  b: readonly [number, number],
  size: Size,
): RegionBox | null {
  const [x0, x1] = between(a[0], b[0], size.width);
  const [y0, y1] = between(a[1], b[1], size.height);
  return x1 - x0 < LEAST_SIDE || y1 - y0 < LEAST_SIDE ? null : [x0, y0, x1, y1];
}

/** The box elsewhere, its size unchanged. */
export function movedBox(box: RegionBox, dx: number, dy: number, size: Size): RegionBox {
  const [x0, y0, x1, y1] = box;
  const right = clamped(dx, -x0, size.width - x1);
  const down = clamped(dy, -y0, size.height - y1);
  return [x0 + right, y0 + down, x1 + right, y1 + down];
}

/** The box with a corner elsewhere; it never turns over. */
export function resizedBox(
  box: RegionBox,
  [across, along]: Corner,
  dx: number,
  dy: number,
  size: Size,
): RegionBox {
  let [x0, y0, x1, y1] = box;
  if (across < 0) x0 = clamped(x0 + dx, 0, x1 - LEAST_SIDE);
  else x1 = clamped(x1 + dx, x0 + LEAST_SIDE, size.width);
  if (along < 0) y0 = clamped(y0 + dy, 0, y1 - LEAST_SIDE);
  else y1 = clamped(y1 + dy, y0 + LEAST_SIDE, size.height);
  return [x0, y0, x1, y1];
}

/** A box in the middle, for those who draw by keys. */
export function middleBox({ width, height }: Size): RegionBox {
  const half = Math.max(LEAST_SIDE, Math.min(width, height) / 10);
  const box = boxBetween(
    [width / 2 - half, height / 2 - half],
    [width / 2 + half, height / 2 + half],
    { width, height },
  );
  return box ?? [0, 0, width, height];
}

/** Where a box lies on its picture, as CSS has it. */
export function placed([x0, y0, x1, y1]: RegionBox, { width, height }: Size) {
  const percent = (share: number) => `${100 * share}%`;
  return {
    left: percent(x0 / width),
    top: percent(y0 / height),
    width: percent((x1 - x0) / width),
    height: percent((y1 - y0) / height),
  };
}

function between(a: number, b: number, end: number): [number, number] {
  return [clamped(Math.min(a, b), 0, end), clamped(Math.max(a, b), 0, end)];
}

function clamped(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
