/** The work on one picture, as values: objects, the one being drawn, and every change to them. */
import { type Stroke, applyStroke } from "./brush";
import type { ImageFrame } from "./frames";
import { type SetOperation, combine, isSameMask } from "./mask_sets";
import { type Polygon, applyPolygon } from "./polygon";
import {
  type Answer,
  type Click,
  type Prompt,
  type PromptBox,
  logitsOf,
  maskToLogits,
} from "./prompts";
import { withoutSmallRegions } from "./regions";
import { type Rle, bitmapToRle, emptyRle, rleArea } from "./rle";
import { upscaleMask } from "./upscale";

/** What found an object before anybody looked, and how sure that was, in [0, 1]. */
export interface Finding {
  readonly source: string;
  readonly score: number;
}

/** A finished object. */
export interface Annotation {
  readonly id: string;
  /** Empty while it has none. */
  readonly name: string;
  /** #rrggbb */
  readonly colour: string;
  readonly isHidden: boolean;
  readonly isLocked: boolean;
  readonly mask: Rle;
  readonly clicks: readonly Click[];
  readonly box: PromptBox | null;
  /** The model's estimate for the mask; null once a brush has changed it. */
  readonly predictedIou: number | null;
  /** Null for one that a person has drawn or changed. */
  readonly foundBy: Finding | null;
}

/** The object being drawn: a new one, or an annotation that is being changed. */
export interface Draft extends Annotation {
  /** The question that waits for its answer, or null. */
  readonly question: number | null;
  readonly answer: Answer | null;
  /** The chosen mask of the answer. */
  readonly choice: number;
  /** Logits that go with the next prompt: of the chosen mask before it. */
  readonly maskInput: Float32Array | null;
}

/** What undo goes back to. */
export interface Sheet {
  readonly annotations: readonly Annotation[];
  readonly draft: Draft | null;
  readonly selected: string | null;
  /** Objects begun so far; gives each its colour. */
  readonly numBegun: number;
}

/** A picture's work with its history. */
export interface Document {
  readonly frame: ImageFrame;
  readonly maskThreshold: number;
  readonly sheet: Sheet;
  readonly past: readonly Sheet[];
  readonly future: readonly Sheet[];
}

/** `id` names a new object, `question` a new prompt: both are the caller's, so that this is pure. */
export type Action =
  | { type: "click"; click: Click; id: string; question: number }
  | { type: "box"; box: PromptBox; id: string; question: number }
  | { type: "answered"; question: number; answer: Answer }
  | { type: "choose"; choice: number }
  | { type: "stroke"; stroke: Stroke; id: string }
  | { type: "polygon"; polygon: Polygon; id: string }
  /** With one other object, which is gone afterwards where the two are united. */
  | { type: "combine"; operation: SetOperation; id: string; other: string }
  /** What this object and the others share stays with it, or with them. */
  | { type: "separate"; id: string; keeper: "this" | "others" }
  /** Sizes in pixels: smaller holes are filled, smaller specks removed. */
  | { type: "clean"; id: string; minHole: number; minSpeck: number }
  /** Masks from elsewhere: those of known ids are replaced, unless locked. */
  | { type: "put"; annotations: readonly Annotation[] }
  | { type: "accept" }
  | { type: "discard" }
  | { type: "edit"; id: string }
  | { type: "select"; id: string | null }
  | { type: "delete"; id: string }
  /** To another place in the order of prominence. */
  | { type: "move"; id: string; to: number }
  | {
      type: "change";
      id: string;
      values: Partial<Pick<Annotation, "name" | "colour" | "isHidden" | "isLocked">>;
    }
  | { type: "hideAll"; isHidden: boolean }
  | { type: "undo" }
  | { type: "redo" };

export const COLOURS = [
  "#3b82f6", "#f59e0b", "#10b981", "#ec4899", "#8b5cf6", "#ef4444",
  "#06b6d4", "#84cc16", "#f97316", "#6366f1", "#14b8a6", "#eab308",
] as const; // prettier-ignore

const MAX_HISTORY = 300;

export function newDocument(
  frame: ImageFrame,
  maskThreshold: number,
  annotations: readonly Annotation[] = [],
  numBegun = annotations.length,
): Document {
  const sheet = { annotations, draft: null, selected: null, numBegun };
  return { frame, maskThreshold, sheet, past: [], future: [] };
}

/** An object that nobody has named or asked the model about; `number` gives its colour. */
export function newAnnotation(id: string, mask: Rle, number: number): Annotation {
  return {
    id,
    name: "",
    colour: COLOURS[number % COLOURS.length]!,
    isHidden: false,
    isLocked: false,
    mask,
    clicks: [],
    box: null,
    predictedIou: null,
    foundBy: null,
  };
}

/** The document after an action; the same one where there is nothing to do. */
export function reduce(document: Document, action: Action): Document {
  switch (action.type) {
    case "undo":
      return step(document, document.past, -1);
    case "redo":
      return step(document, document.future, 1);
    case "answered": // belongs to the click that asked: no step of its own
      return { ...document, sheet: answered(document, action.question, action.answer) };
    case "select": {
      const { sheet } = document;
      return sheet.selected === action.id
        ? document
        : { ...document, sheet: { ...sheet, selected: action.id } };
    }
    default: {
      const sheet = change(document, action);
      if (sheet === document.sheet) return document;
      const past = [...document.past.slice(1 - MAX_HISTORY), document.sheet];
      return { ...document, sheet, past, future: [] };
    }
  }
}

/** Whether nothing differs but the selection. */
export function isSameWork(a: Sheet, b: Sheet): boolean {
  return a.annotations === b.annotations && a.draft === b.draft && a.numBegun === b.numBegun;
}

/** What the draft asks the model. */
export function promptOf({ clicks, box, maskInput }: Draft): Prompt {
  return { clicks, box, maskInput };
}

function step(document: Document, from: readonly Sheet[], direction: -1 | 1): Document {
  const sheet = from.at(-1);
  if (!sheet) return document;
  const [rest, { past, future }] = [from.slice(0, -1), document];
  return direction < 0
    ? { ...document, sheet, past: rest, future: [...future, document.sheet] }
    : { ...document, sheet, past: [...past, document.sheet], future: rest };
}

type Change = Exclude<Action, { type: "undo" | "redo" | "answered" | "select" }>;

function change(document: Document, action: Change): Sheet {
  const { sheet } = document;
  const { draft } = sheet;
  switch (action.type) {
    case "click": {
      const asked = begun(document, action.id);
      const clicks = [...(asked.draft?.clicks ?? []), action.click];
      return withDraft(asked, { ...asking(document, asked.draft!, action.question), clicks });
    }
    case "box": {
      const asked = begun(document, action.id);
      return withDraft(asked, {
        ...asking(document, asked.draft!, action.question),
        box: action.box,
      });
    }
    case "choose":
      if (!draft?.answer || draft.choice === action.choice) return sheet;
      return withDraft(sheet, chosen(document, draft, draft.answer, action.choice));
    case "stroke":
      return drawn(document, action.id, action.stroke.erase, (mask) =>
        applyStroke(mask, action.stroke),
      );
    case "polygon":
      return drawn(document, action.id, action.polygon.erase, (mask) =>
        applyPolygon(mask, action.polygon),
      );
    case "combine": {
      const other = sheet.annotations.find(({ id }) => id === action.other);
      if (!other || action.other === action.id) return sheet;
      const isTaken = action.operation === "unite";
      if (isTaken && other.isLocked) return sheet;
      const joined = withPixels(sheet, action.id, (mask) =>
        combine(mask, other.mask, action.operation),
      );
      // An object inside the other one unites with it, too, though no pixel of its own is new.
      const canTake = isTaken && (draft?.id === action.id || editable(sheet, action.id));
      if (!canTake) return joined;
      return { ...joined, annotations: joined.annotations.filter((a) => a !== other) };
    }
    case "separate": {
      const others = othersOf(sheet, action.id);
      if (action.keeper === "others")
        return withPixels(sheet, action.id, (mask) =>
          others.reduce((left, other) => combine(left, other.mask, "subtract"), mask),
        );
      const mask = maskOf(sheet, action.id);
      if (!mask) return sheet;
      return others.reduce(
        (cut, { id }) => withPixels(cut, id, (own) => combine(own, mask, "subtract")),
        sheet,
      );
    }
    case "clean":
      return withPixels(sheet, action.id, (mask) =>
        withoutSmallRegions(mask, action.minHole, action.minSpeck),
      );
    case "put": {
      const put = new Map(action.annotations.map((annotation) => [annotation.id, annotation]));
      const old = sheet.annotations.map((a) => (a.isLocked ? a : (put.get(a.id) ?? a)));
      for (const { id } of sheet.annotations) put.delete(id);
      if (!put.size && old.every((a, i) => a === sheet.annotations[i])) return sheet;
      const annotations = [...old, ...put.values()];
      return { ...sheet, annotations, numBegun: sheet.numBegun + put.size };
    }
    case "accept":
      return accepted(sheet);
    case "discard":
      return draft ? withDraft(sheet, null) : sheet;
    case "edit": {
      const target = editable(accepted(sheet), action.id);
      return target
        ? withDraft({ ...accepted(sheet), selected: target.id }, draftOf(target))
        : sheet;
    }
    case "delete": {
      if (!sheet.annotations.some((a) => a.id === action.id && isRemovable(a))) return sheet;
      const annotations = sheet.annotations.filter(({ id }) => id !== action.id);
      const kept = draft?.id === action.id ? null : draft;
      return { ...sheet, annotations, draft: kept, selected: null };
    }
    case "move":
      return moved(sheet, action.id, action.to);
    case "change":
      return changed(sheet, ({ id }) => id === action.id, action.values);
    case "hideAll":
      return changed(sheet, () => true, { isHidden: action.isHidden });
  }
}

/** A sheet with a draft: the one there is, that of `edit`, or a new one. */
function begun({ frame, sheet }: Document, id: string, edit: string | null = null): Sheet {
  if (sheet.draft) return sheet;
  const target = editable(sheet, edit);
  if (target) return withDraft(sheet, draftOf(target));
  const draft = draftOf(newAnnotation(id, emptyRle(frame.originalSize), sheet.numBegun));
  return { ...withDraft(sheet, draft), selected: null, numBegun: sheet.numBegun + 1 };
}

/** A draft changed by hand; erasing alone begins none. */
function drawn(
  document: Document,
  id: string,
  isErased: boolean,
  change: (mask: Rle) => Rle,
): Sheet {
  const { sheet } = document;
  if (!sheet.draft && isErased && !editable(sheet, sheet.selected)) return sheet;
  const painted = begun(document, id, sheet.selected);
  return withDraft(painted, byHand(painted.draft!, change(painted.draft!.mask)));
}

/** No longer what the model has answered. */
function byHand(draft: Draft, mask: Rle): Draft {
  const asked = { question: null, answer: null, maskInput: null };
  return { ...draft, ...asked, mask, predictedIou: null, foundBy: null };
}

/** An object with other pixels; nothing changes where none would be left, or it is locked. */
function withPixels(sheet: Sheet, id: string, change: (mask: Rle) => Rle): Sheet {
  const before = maskOf(sheet, id);
  if (!before) return sheet;
  const mask = change(before);
  if (!rleArea(mask) || isSameMask(mask, before)) return sheet;
  if (sheet.draft?.id === id) return withDraft(sheet, byHand(sheet.draft, mask));
  if (!editable(sheet, id)) return sheet;
  return changed(sheet, (a) => a.id === id, { mask, predictedIou: null, foundBy: null });
}

/** The pixels of an object as they are now, the one in hand included. */
function maskOf({ draft, annotations }: Sheet, id: string): Rle | null {
  return (draft?.id === id ? draft : annotations.find((a) => a.id === id))?.mask ?? null;
}

/** The objects that one may be combined with: all others that are shown. */
export function othersOf({ draft, annotations }: Sheet, id: string): Annotation[] {
  return annotations.filter((a) => a.id !== id && a.id !== draft?.id && !a.isHidden);
}

function draftOf(annotation: Annotation): Draft {
  return { ...annotation, question: null, answer: null, choice: 0, maskInput: null };
}

/** The draft with a new question; what is drawn so far goes with it. */
function asking({ frame }: Document, draft: Draft, question: number): Draft {
  const { answer, choice, mask } = draft;
  if (answer) return { ...draft, question, maskInput: logitsOf(answer, choice) };
  if (draft.question !== null || !rleArea(mask)) return { ...draft, question };
  // Drawn by hand, or of an annotation: the model takes it at a quarter of its square.
  return { ...draft, question, maskInput: maskToLogits(mask, frame, frame.imageSize / 4) };
}

function answered(document: Document, question: number, answer: Answer): Sheet {
  const { sheet } = document;
  // A late answer to what was undone or drawn over since.
  if (sheet.draft?.question !== question) return sheet;
  return withDraft(sheet, {
    ...chosen(document, sheet.draft, answer, answer.best),
    answer,
    question: null,
  });
}

function chosen(document: Document, draft: Draft, answer: Answer, choice: number): Draft {
  const { frame, maskThreshold } = document;
  const pixels = upscaleMask(logitsOf(answer, choice), answer.side, frame, maskThreshold);
  const mask = bitmapToRle(pixels, frame.originalSize);
  return { ...draft, choice, mask, predictedIou: answer.ious[choice]!, foundBy: null };
}

/** The draft among the annotations, in its old place where it had one; an empty one is dropped. */
function accepted(sheet: Sheet): Sheet {
  const { draft, annotations } = sheet;
  if (!draft || !rleArea(draft.mask)) return sheet;
  const { mask, clicks, box, predictedIou, foundBy } = draft;
  const drawn = { mask, clicks, box, predictedIou, foundBy };
  const { question: _q, answer: _a, choice: _c, maskInput: _m, ...annotation } = draft;
  const isOld = annotations.some(({ id }) => id === draft.id);
  return {
    ...sheet,
    draft: null,
    selected: draft.id,
    annotations: isOld
      ? annotations.map((old) => (old.id === draft.id ? { ...old, ...drawn } : old))
      : [...annotations, annotation],
  };
}

function changed(
  sheet: Sheet,
  isMeant: (a: Annotation) => boolean,
  values: Partial<Annotation>,
): Sheet {
  return {
    ...sheet,
    annotations: sheet.annotations.map((a) => (isMeant(a) ? { ...a, ...values } : a)),
  };
}

/** An object at another place in the order; a place beyond an end is that end. */
function moved(sheet: Sheet, id: string, to: number): Sheet {
  const from = sheet.annotations.findIndex((a) => a.id === id);
  const place = Math.min(sheet.annotations.length - 1, Math.max(0, to));
  if (from < 0 || from === place) return sheet;
  const annotations = sheet.annotations.filter((a) => a.id !== id);
  annotations.splice(place, 0, sheet.annotations[from]!);
  return { ...sheet, annotations, selected: id };
}

/** Whether it may be deleted: what the engine found is locked against slips, yet may be wrong. */
export function isRemovable({ isLocked, foundBy }: Annotation): boolean {
  return !isLocked || foundBy !== null;
}

function editable(sheet: Sheet, id: string | null): Annotation | undefined {
  return sheet.annotations.find((a) => a.id === id && !a.isLocked);
}

function withDraft(sheet: Sheet, draft: Draft | null): Sheet {
  return { ...sheet, draft };
}
