/** Masks as sets of pixels: what two have together, on run lengths alone. */
import type { Rle } from "./rle";

export type SetOperation = "unite" | "intersect" | "subtract";

const BELONGS: Record<SetOperation, (a: number, b: number) => number> = {
  unite: (a, b) => a | b,
  intersect: (a, b) => a & b,
  subtract: (a, b) => a & (1 - b),
};

/** The pixels of both, of each, or of the first without the second; a RangeError for other sizes. */
export function combine(a: Rle, b: Rle, operation: SetOperation): Rle {
  if (a.size[0] !== b.size[0] || a.size[1] !== b.size[1])
    throw new RangeError(`Masks must be of one size, got ${a.size} and ${b.size}.`);
  const belongs = BELONGS[operation];
  const counts = [0];
  const total = a.size[0] * a.size[1];
  let [runA, runB, endA, endB] = [0, 0, a.counts[0]!, b.counts[0]!];
  for (let position = 0; position < total;) {
    while (endA <= position) endA += a.counts[++runA]!;
    while (endB <= position) endB += b.counts[++runB]!;
    const end = Math.min(endA, endB);
    const isInside = belongs(runA % 2, runB % 2);
    if (isInside === (counts.length - 1) % 2) counts[counts.length - 1]! += end - position;
    else counts.push(end - position);
    position = end;
  }
  return { size: a.size, counts: Uint32Array.from(counts) };
}

export function isSameMask(a: Rle, b: Rle): boolean {
  return (
    a.size[0] === b.size[0] &&
    a.size[1] === b.size[1] &&
    a.counts.length === b.counts.length &&
    a.counts.every((count, run) => count === b.counts[run])
  );
}
