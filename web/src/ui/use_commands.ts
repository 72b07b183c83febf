/** What each command does to a document and its stage, and the keyboard that calls them. */
import { type Dispatch, type RefObject, useEffect } from "react";
import type { Tool } from "../canvas/gestures";
import type { Action, Annotation, Sheet } from "../core/document";
import { candidates } from "../core/prompts";
import { rleArea, rleBox } from "../core/rle";
import type { StageHandle } from "./Stage";
import { BRUSH_RADII, type Settings } from "./settings";
import { type Command, commandOf } from "./shortcuts";

const ZOOM_STEP = 1.25;
const BRUSH_STEP = 1.25;

/** What commands work on. */
export interface Workplace {
  readonly sheet: Sheet;
  readonly dispatch: Dispatch<Action>;
  readonly stage: RefObject<StageHandle | null>;
  readonly findField: RefObject<HTMLInputElement | null>;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onTool: (tool: Tool) => void;
  readonly onToggleSign: () => void;
  readonly onRename: (id: string) => void;
  readonly onShape: () => void;
  readonly onHelp: () => void;
}

export function commandsOf(workplace: Workplace): Record<Command, () => void> {
  const { sheet, dispatch, stage, settings, onSettings, onTool } = workplace;
  const { annotations, draft, selected } = sheet;
  const chosen = annotations.find(({ id }) => id === selected) ?? null;
  const object = draft ?? chosen;

  const selectBy = (step: number) => {
    const at = annotations.findIndex(({ id }) => id === selected);
    const next = at < 0 ? (step > 0 ? 0 : annotations.length - 1) : at + step;
    const target = annotations[(next + annotations.length) % annotations.length];
    if (target) dispatch({ type: "select", id: target.id });
  };
  const resizeBrush = (factor: number) => {
    const { least, most } = BRUSH_RADII;
    onSettings({ brushRadius: Math.min(most, Math.max(least, settings.brushRadius * factor)) });
  };
  const choose = (place: number) => {
    const choice = draft?.answer && candidates(draft.answer)[place];
    if (typeof choice === "number") dispatch({ type: "choose", choice });
  };
  const onChosen = (act: (annotation: Annotation) => void) => chosen && act(chosen);
  const moveBy = (step: number) =>
    onChosen(({ id }) => dispatch({ type: "move", id, to: annotations.indexOf(chosen!) + step }));
  const toggle = (key: "isHidden" | "isLocked") =>
    onChosen((a) => dispatch({ type: "change", id: a.id, values: { [key]: !a[key] } }));
  const separate = (keeper: "this" | "others") =>
    object && dispatch({ type: "separate", id: object.id, keeper });

  return {
    segment: () => onTool("segment"),
    polygon: () => onTool("polygon"),
    brush: () => onTool("brush"),
    eraser: () => onTool("eraser"),
    select: () => onTool("select"),
    pan: () => onTool("pan"),
    add: () => stage.current!.actAtCross(false),
    remove: () => stage.current!.actAtCross(true),
    hold: () => stage.current!.holdAtCross(),
    toggleSign: workplace.onToggleSign,
    choose1: () => choose(0),
    choose2: () => choose(1),
    choose3: () => choose(2),
    accept: () => stage.current!.closePolygon() || dispatch({ type: "accept" }),
    discard: () =>
      stage.current!.cancel() ||
      dispatch(draft ? { type: "discard" } : { type: "select", id: null }),
    undo: () => stage.current!.takePointBack() || dispatch({ type: "undo" }),
    redo: () => dispatch({ type: "redo" }),
    edit: () => onChosen(({ id }) => dispatch({ type: "edit", id })),
    earlier: () => moveBy(-1),
    later: () => moveBy(1),
    rename: () => onChosen(({ id, isLocked }) => !isLocked && workplace.onRename(id)),
    delete: () =>
      stage.current!.takePointBack() || onChosen(({ id }) => dispatch({ type: "delete", id })),
    hide: () => toggle("isHidden"),
    lock: () => toggle("isLocked"),
    hideAll: () => dispatch({ type: "hideAll", isHidden: !annotations.every((a) => a.isHidden) }),
    next: () => selectBy(1),
    previous: () => selectBy(-1),
    shape: workplace.onShape,
    keepShared: () => separate("this"),
    giveShared: () => separate("others"),
    find: () => workplace.findField.current?.focus(),
    smaller: () => resizeBrush(1 / BRUSH_STEP),
    larger: () => resizeBrush(BRUSH_STEP),
    zoomIn: () => stage.current!.zoom(ZOOM_STEP),
    zoomOut: () => stage.current!.zoom(1 / ZOOM_STEP),
    fit: () => stage.current!.fit(),
    showObject: () => object && rleArea(object.mask) && stage.current!.show(rleBox(object.mask)),
    outlineOnly: () => onSettings({ isOutlineOnly: !settings.isOutlineOnly }),
    help: workplace.onHelp,
  };
}

/** Calls commands by their keys while no sheet or menu is open over the studio. */
export function useKeyboard(commands: Record<Command, () => void>, { keys }: Settings): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const command = commandOf(event, keys);
      if (!command || isForControl(event)) return;
      if (document.querySelector("dialog[open], :popover-open")) return;
      event.preventDefault();
      commands[command]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

/** Whether the key belongs to the field or button in focus. */
function isForControl({ target, key }: KeyboardEvent): boolean {
  if (target instanceof HTMLInputElement)
    return target.type !== "range" && target.type !== "checkbox";
  if (target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement) return true;
  return target instanceof HTMLButtonElement && (key === "Enter" || key === " ");
}
