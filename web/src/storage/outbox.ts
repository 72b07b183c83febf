/** What of the work on a server's image has yet to be saved: the work less what is known there. */
import type { MaskDraft, StoredMask, StudioImage } from "../api/wire";
import { type Annotation, COLOURS } from "../core/document";
import { rleFromCoco } from "../core/rle";
import { cocoOf } from "./journal";

/** What the server is known to have of an object. */
export interface Known {
  /** The mask's id there. */
  readonly id: string;
  /** 0 while nothing is stored. */
  readonly version: number;
  readonly position: number;
  readonly name: string;
  /** Mask and prompts, as `drawingOf` gives them. */
  readonly drawing: string;
  readonly modelId: string | null;
  readonly isDeleted: boolean;
  /** The drawing on its way, from before it is sent: its answer may be lost. */
  readonly sent: string | null;
}

/** By the object's id in the page. */
export type KnownMasks = ReadonlyMap<string, Known>;

export type Change =
  | { readonly kind: "save"; readonly annotation: Annotation; readonly position: number }
  | { readonly kind: "remove"; readonly id: string };

type Size = readonly [number, number];

const drawings = new WeakMap<Annotation, string>();

/** Names the work of one person on one image with this content, in the journal. */
export function workKey(user: number, { id, digest }: StudioImage): string {
  return `${user}/${id}/${digest}`;
}

/** What makes an object's mask: the same text for the same drawing. */
export function drawingOf(annotation: Annotation): string {
  let text = drawings.get(annotation);
  if (text === undefined) {
    const { mask, clicks, box, predictedIou } = annotation;
    const points = clicks.map(({ x, y, label }) => [x, y, label]);
    text = JSON.stringify([cocoOf(mask).counts, points, box, predictedIou]);
    drawings.set(annotation, text);
  }
  return text;
}

/** All that is not saved, in the order in which it should be. */
export function changes(annotations: readonly Annotation[], known: KnownMasks): Change[] {
  const found: Change[] = [];
  const places = placesOf(annotations, known);
  for (const [i, annotation] of annotations.entries()) {
    const there = known.get(annotation.id);
    const position = places[i]!;
    if (!isStored(there) || !isSame(annotation, there) || there.position !== position)
      found.push({ kind: "save", annotation, position });
  }
  const ids = new Set(annotations.map(({ id }) => id));
  for (const [id, there] of known)
    if (isStored(there) && !ids.has(id)) found.push({ kind: "remove", id });
  return found;
}

/**
 * The objects' places in the order of prominence: those that are stored, dealt out again where
 * objects were moved. So a deletion renumbers nothing, and a move only what lies between.
 */
function placesOf(annotations: readonly Annotation[], known: KnownMasks): number[] {
  const there = annotations.map(({ id }) => known.get(id));
  const stored = there.filter(isStored).map(({ position }) => position);
  const free = stored.sort((a, b) => a - b).values();
  // What shares a place, as masks from elsewhere may, is listed in the order in which it is known.
  const ranks = new Map([...known.keys()].map((id, rank) => [id, rank]));
  let last = { place: -1, rank: -1 };
  return there.map((one, i) => {
    const place = isStored(one) ? free.next().value! : last.place + 1;
    const rank = ranks.get(annotations[i]!.id) ?? Infinity;
    const isShared = place === last.place && one?.position === place && rank > last.rank;
    const isInOrder = place > last.place || isShared;
    last = { place: isInOrder ? place : last.place + 1, rank };
    return last.place;
  });
}

/** The body of a save. */
export function draftOf(
  { annotation, position }: Change & { kind: "save" },
  there: Known,
  image: number,
  modelId: string | null,
): MaskDraft {
  const { mask, name, clicks, box, predictedIou, foundBy } = annotation;
  const hasPrompts = clicks.length > 0 || box !== null;
  return {
    image_id: image,
    version: there.version,
    segmentation: cocoOf(mask),
    position,
    name,
    // A new name makes no other model's mask of it.
    model_id: there.drawing === drawingOf(annotation) ? there.modelId : hasPrompts ? modelId : null,
    predicted_iou: predictedIou === null ? null : Math.min(1, Math.max(0, predictedIou)),
    prompts: {
      point_coords: clicks.map(({ x, y }) => [x, y] as const),
      point_labels: clicks.map(({ label }) => label),
      box,
      ...foundBy,
    },
  };
}

/** What is known of an object that the server has not heard of; its id there must be new. */
export function unknown(id: string): Known {
  return {
    id,
    version: 0,
    position: 0,
    name: "",
    drawing: "",
    modelId: null,
    isDeleted: false,
    sent: null,
  };
}

/** What is known after the server has told of a mask. */
export function knownOf(stored: StoredMask, drawing: string): Known {
  const { id, version, position, name, model_id, is_deleted } = stored;
  return {
    id,
    version,
    position,
    name,
    drawing,
    modelId: model_id,
    isDeleted: is_deleted,
    sent: null,
  };
}

/** A stored mask as an object of the page; a RangeError if it is damaged. */
export function annotationOf(
  stored: StoredMask,
  id: string,
  size: Size,
  place: number,
): Annotation {
  const { point_coords = [], point_labels = [], box = null, source, score = 0 } = stored.prompts;
  const foundBy = source ? { source, score } : null;
  return {
    id,
    name: stored.name,
    colour: COLOURS[place % COLOURS.length]!,
    isHidden: false,
    isLocked: foundBy !== null,
    mask: rleFromCoco({ size, counts: stored.counts }),
    clicks: point_coords.map(([x, y], i) => ({ x, y, label: point_labels[i] ?? 1 })),
    box,
    predictedIou: stored.predicted_iou,
    foundBy,
  };
}

/**
 * The page's work and what is stored, brought together when an image is opened.
 *
 * What only one side has changed is taken from that side. What both have stays as it is here, with
 * its old version: saving it is then refused, and a person chooses.
 */
export function merged(
  annotations: readonly Annotation[],
  known: KnownMasks,
  stored: readonly StoredMask[],
  size: Size,
): { annotations: Annotation[]; known: Map<string, Known> } {
  const localIds = new Map([...known].map(([local, { id }]) => [id, local]));
  const result = { annotations: [...annotations], known: new Map(known) };
  const seen = new Set<string>();
  for (const mask of stored) {
    const local = localIds.get(mask.id) ?? mask.id;
    seen.add(local);
    const before = known.get(local);
    const at = result.annotations.findIndex(({ id }) => id === local);
    const mine = result.annotations[at];
    const theirs = annotationOf(mask, local, size, at < 0 ? result.annotations.length : at);
    const now = knownOf(mask, drawingOf(theirs));
    // Ids are made here: a mask whose first answer was lost is ours all the same.
    const isOurs = before ? before.version === 0 || before.sent === now.drawing : mine;
    if (isOurs || (mine && isSame(mine, now))) result.known.set(local, now);
    else if (!before || (mine && isSame(mine, before) && mask.version !== before.version)) {
      const { colour, isHidden, isLocked } = mine ?? theirs;
      const taken = { ...theirs, colour, isHidden, isLocked };
      if (mine) result.annotations[at] = taken;
      else result.annotations.push(taken);
      result.known.set(local, now);
    }
  }
  for (const [local, before] of known) {
    if (seen.has(local) || !isStored(before)) continue;
    // Deleted there: so it is here, unless it was changed here since.
    const mine = result.annotations.find(({ id }) => id === local);
    if (mine && !isSame(mine, before)) continue;
    result.annotations = result.annotations.filter(({ id }) => id !== local);
    result.known.set(local, { ...before, isDeleted: true });
  }
  return result;
}

function isStored(known: Known | undefined): known is Known {
  return known !== undefined && known.version > 0 && !known.isDeleted;
}

function isSame(annotation: Annotation, known: Known): boolean {
  return known.name === annotation.name && known.drawing === drawingOf(annotation);
}
