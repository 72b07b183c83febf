/** What happened to the objects, in words for those who do not see it. */
import type { Sheet } from "../core/document";
import { rleArea } from "../core/rle";

/** One sentence on the difference between two states; empty where the status line tells enough. */
export function announcement(before: Sheet, after: Sheet): string {
  const more = after.annotations.length - before.annotations.length;
  const total = `${after.annotations.length} ${after.annotations.length === 1 ? "object" : "objects"}`;
  if (more > 0) return `${more === 1 ? "Object" : `${more} objects`} kept, ${total} now.`;
  if (more < 0) return `${more === -1 ? "Object" : `${-more} objects`} gone, ${total} now.`;
  const changed = after.annotations.filter((a, i) => a !== before.annotations[i]);
  if (changed.length > 1 && changed.every((a) => before.annotations.includes(a))) {
    const place = after.annotations.findIndex(({ id }) => id === after.selected);
    return place < 0 ? "The order has changed." : `Moved to place ${place + 1} of ${total}.`;
  }
  if (changed.length > 1) return `${changed.length} objects changed.`;
  if (changed[0]) {
    const label = labelOf(after, changed[0].id);
    const old = before.annotations.find(({ id }) => id === changed[0]!.id);
    if (old && old.isHidden !== changed[0].isHidden)
      return `${label} ${changed[0].isHidden ? "hidden" : "shown"}.`;
    if (old && old.isLocked !== changed[0].isLocked)
      return `${label} ${changed[0].isLocked ? "locked" : "unlocked"}.`;
    return `${label} changed, ${rleArea(changed[0].mask).toLocaleString()} pixels.`;
  }
  if (before.draft && !after.draft) return "Unfinished object gone.";
  if (before.selected !== after.selected && after.selected && !after.draft)
    return `${labelOf(after, after.selected)} selected.`;
  return "";
}

/** The name of an object, or its number. */
export function labelOf({ annotations }: Sheet, id: string): string {
  const place = annotations.findIndex((annotation) => annotation.id === id);
  return annotations[place]?.name || (place < 0 ? "the new object" : `Object ${place + 1}`);
}
