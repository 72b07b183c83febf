/** Connected parts of a mask, and masks without small holes and specks; the twin of `core/regions.py`. */
import { combine } from "./mask_sets";
import { type Rle, columnRuns } from "./rle";

/** Runs of one column each that touch: their pixels, and whether they reach the image's border. */
interface Part {
  readonly runs: readonly (readonly [x: number, from: number, to: number])[];
  readonly area: number;
  readonly isAtBorder: boolean;
}

/**
 * The mask without background parts below `minHole` pixels that do not reach the border and then
 * without foreground parts below `minSpeck`; the largest stays if all are small. Foreground
 * joins over corners, background does not.
 */
export function withoutSmallRegions(mask: Rle, minHole: number, minSpeck: number): Rle {
  const background = combine(full(mask.size), mask, "subtract");
  const holes = parts(background, 4).filter((part) => part.area < minHole && !part.isAtBorder);
  const filled = holes.length ? combine(mask, toRle(holes, mask.size), "unite") : mask;
  const islands = parts(filled, 8);
  const largest = Math.max(...islands.map(({ area }) => area));
  const first = islands.findIndex(({ area }) => area === largest);
  const specks = islands.filter(({ area }, i) => area < minSpeck && i !== first);
  return specks.length ? combine(filled, toRle(specks, mask.size), "subtract") : filled;
}

/** The connected parts of the foreground, by their first pixel down the columns. */
function parts(mask: Rle, connectivity: 4 | 8): Part[] {
  const [height, width] = mask.size;
  const runs = [...columnRuns(mask)];
  const parent = Int32Array.from(runs, (_, i) => i);
  const root = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  const reach = connectivity === 8 ? 1 : 0;
  // Two fingers along the list: the run in hand, and the first of the column before that it may touch.
  for (let i = 0, before = 0; i < runs.length; i++) {
    const [x, from, to] = runs[i]!;
    while (
      runs[before]![0] < x - 1 ||
      (runs[before]![0] === x - 1 && runs[before]![2] + reach <= from)
    )
      before++;
    for (let j = before; j < i && runs[j]![0] === x - 1 && runs[j]![1] < to + reach; j++) {
      const [a, b] = [root(i), root(j)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  const grouped = new Map<number, [number, number, number][]>();
  runs.forEach((run, i) => {
    const key = root(i);
    const group = grouped.get(key);
    if (group) group.push(run);
    else grouped.set(key, [run]);
  });
  return Array.from(grouped.values(), (group) => ({
    runs: group,
    area: group.reduce((sum, [, from, to]) => sum + to - from, 0),
    isAtBorder: group.some(
      ([x, from, to]) => x === 0 || x === width - 1 || from === 0 || to === height,
    ),
  }));
}

function toRle(regions: readonly Part[], size: readonly [number, number]): Rle {
  const [height, width] = size;
  const starts = regions.flatMap(({ runs }) =>
    runs.map(([x, from, to]) => [x * height + from, to - from] as const),
  );
  starts.sort((a, b) => a[0] - b[0]);
  const counts: number[] = [];
  let position = 0;
  for (const [start, length] of starts) {
    // A run from top to bottom goes on in the next column.
    if (counts.length && start === position) counts[counts.length - 1]! += length;
    else counts.push(start - position, length);
    position = start + length;
  }
  if (position < height * width) counts.push(height * width - position);
  return { size, counts: Uint32Array.from(counts) };
}

function full(size: readonly [number, number]): Rle {
  return { size, counts: Uint32Array.of(0, size[0] * size[1]) };
}
