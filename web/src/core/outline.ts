/** The edge between a mask's pixels and the others, as lines; for the one mask that is in hand. */
import type { Rle } from "./rle";
import { rowRuns, runsOfRow, runsWithout } from "./row_runs";

/** Lines x0, y0, x1, y1 along pixel edges, one after the other. */
export function outline(mask: Rle): number[] {
  const runs = rowRuns(mask);
  const lines: number[] = [];
  // Vertical lines go on as long as the next row has the same edge.
  let open = new Map<number, number>(); // x to the line's first y
  for (let y = runs.box.y0; y <= runs.box.y1; y++) {
    const [above, own] = [runsOfRow(runs, y - 1), runsOfRow(runs, y)];
    const edges = [...runsWithout(own, above), ...runsWithout(above, own)];
    for (let i = 0; i < edges.length; i += 2) lines.push(edges[i]!, y, edges[i + 1]!, y);
    const going = new Map<number, number>();
    for (const x of own) going.set(x, open.get(x) ?? y);
    for (const [x, start] of open) if (!going.has(x)) lines.push(x, start, x, y);
    open = going;
  }
  return lines;
}
