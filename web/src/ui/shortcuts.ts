/** Which key does what: one table for the keyboard and for the help sheet. */

export type Command =
  | "segment" | "polygon" | "brush" | "eraser" | "select" | "pan"
  | "add" | "remove" | "hold" | "toggleSign" | "choose1" | "choose2" | "choose3"
  | "accept" | "discard" | "undo" | "redo"
  | "earlier" | "later" | "rename" | "edit" | "delete" | "hide" | "lock" | "hideAll" | "next" | "previous"
  | "shape" | "keepShared" | "giveShared" | "find"
  | "smaller" | "larger" | "zoomIn" | "zoomOut" | "fit" | "showObject" | "outlineOnly" | "help"; // prettier-ignore

/** Keys that a person has chosen instead of those of the table. */
export type Bindings = Readonly<Partial<Record<Command, readonly string[]>>>;

export interface Shortcut {
  readonly command: Command;
  /** As `keyName` names them; any of them. */
  readonly keys: readonly string[];
  readonly label: string;
  readonly group: "Tools" | "Drawing" | "Objects" | "View";
}

export const SHORTCUTS: readonly Shortcut[] = [
  {
    command: "segment",
    keys: ["S"],
    label: "Click or drag a box: the mask follows",
    group: "Tools",
  },
  { command: "polygon", keys: ["P"], label: "Polygon and lasso", group: "Tools" },
  { command: "brush", keys: ["B"], label: "Brush", group: "Tools" },
  { command: "eraser", keys: ["E"], label: "Eraser", group: "Tools" },
  { command: "select", keys: ["V"], label: "Select an object", group: "Tools" },
  { command: "pan", keys: ["G"], label: "Move the picture", group: "Tools" },
  { command: "smaller", keys: ["["], label: "Smaller brush", group: "Tools" },
  { command: "larger", keys: ["]"], label: "Larger brush", group: "Tools" },
  { command: "add", keys: ["."], label: "Click or paint at the cross", group: "Drawing" },
  { command: "remove", keys: [","], label: "Remove or erase at the cross", group: "Drawing" },
  {
    command: "hold",
    keys: ["X"],
    label: "Begin or end a box or stroke at the cross",
    group: "Drawing",
  },
  {
    command: "toggleSign",
    keys: ["T"],
    label: "Switch between add and remove",
    group: "Drawing",
  },
  { command: "choose1", keys: ["1"], label: "First suggestion", group: "Drawing" },
  { command: "choose2", keys: ["2"], label: "Second suggestion", group: "Drawing" },
  { command: "choose3", keys: ["3"], label: "Third suggestion", group: "Drawing" },
  {
    command: "accept",
    keys: ["Enter", "N"],
    label: "Close the polygon; keep the object, go on with the next",
    group: "Drawing",
  },
  {
    command: "discard",
    keys: ["Escape"],
    label: "Drop what was begun; throw the unfinished object away",
    group: "Drawing",
  },
  { command: "undo", keys: ["Ctrl+Z"], label: "Undo", group: "Drawing" },
  { command: "redo", keys: ["Ctrl+Shift+Z", "Ctrl+Y"], label: "Redo", group: "Drawing" },
  { command: "edit", keys: ["R"], label: "Refine the selected object", group: "Objects" },
  { command: "rename", keys: ["F2"], label: "Name the selected object", group: "Objects" },
  {
    command: "delete",
    keys: ["Delete", "Backspace"],
    label: "Delete the selected object",
    group: "Objects",
  },
  { command: "hide", keys: ["H"], label: "Hide or show the selected object", group: "Objects" },
  { command: "lock", keys: ["L"], label: "Lock or unlock the selected object", group: "Objects" },
  { command: "next", keys: ["PageDown"], label: "Select the next object", group: "Objects" },
  { command: "previous", keys: ["PageUp"], label: "Select the previous object", group: "Objects" },
  {
    command: "earlier",
    keys: ["Alt+↑"],
    label: "Move the selected object up: more prominent",
    group: "Objects",
  },
  {
    command: "later",
    keys: ["Alt+↓"],
    label: "Move the selected object down",
    group: "Objects",
  },
  {
    command: "shape",
    keys: ["C"],
    label: "Combine with others, clean up",
    group: "Objects",
  },
  {
    command: "giveShared",
    keys: ["Shift+C"],
    label: "Cut all others out of the object",
    group: "Objects",
  },
  {
    command: "keepShared",
    keys: ["Shift+X"],
    label: "Cut the object out of all others",
    group: "Objects",
  },
  { command: "find", keys: ["/"], label: "Find by words, where the model can", group: "Objects" },
  { command: "outlineOnly", keys: ["O"], label: "Outlines only", group: "View" },
  { command: "hideAll", keys: ["M"], label: "Hide or show all masks", group: "View" },
  { command: "zoomIn", keys: ["+", "="], label: "Closer", group: "View" },
  { command: "zoomOut", keys: ["-"], label: "Farther", group: "View" },
  { command: "fit", keys: ["F"], label: "The whole picture", group: "View" },
  { command: "showObject", keys: ["Shift+F"], label: "Zoom to the object", group: "View" },
  { command: "help", keys: ["?"], label: "This sheet", group: "View" },
];

/** Ways that are no command of their own, for the help sheet. */
export const GESTURES: readonly (readonly [string, string])[] = [
  ["Click", "add to the object"],
  ["Right click, Shift or Alt + click", "remove from it"],
  ["Drag", "box around the object"],
  ["Polygon: click, or draw freely", "corners, or a lasso that closes when let go"],
  ["Polygon: first point, double click", "close it"],
  ["Wheel, two fingers", "zoom at the pointer"],
  ["Space + drag, middle button", "move the picture"],
  ["Arrow keys (Shift: far, Ctrl: a pixel)", "move the cross, with the picture in focus"],
];

type KeyPress = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">;

const MODIFIERS = ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock"];
const WITH_ALT: Readonly<Record<string, string>> = { ArrowUp: "Alt+↑", ArrowDown: "Alt+↓" }; // letters write signs
const TAKEN = ["Tab", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " "]; // moving about

/** A key press as "B", "Ctrl+Z" (Cmd on a Mac), "Shift+F", "Alt+↑" or "PageDown"; null where it can be no shortcut. */
export function keyName({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyPress): string | null {
  if (altKey) return WITH_ALT[key] ?? null;
  if (MODIFIERS.includes(key) || TAKEN.includes(key)) return null;
  const isLetter = /^\p{L}$/u.test(key); // Shift is part of signs such as "?" already
  const held = `${ctrlKey || metaKey ? "Ctrl+" : ""}${shiftKey && isLetter ? "Shift+" : ""}`;
  return held + (isLetter ? key.toUpperCase() : key);
}

/** The keys of a command. */
export function keysOf(command: Command, bindings: Bindings): readonly string[] {
  return bindings[command] ?? SHORTCUTS.find((shortcut) => shortcut.command === command)!.keys;
}

/** The command that a key has, or null. */
export function commandOf(press: KeyPress, bindings: Bindings): Command | null {
  const key = keyName(press);
  return key === null ? null : ownerOf(key, bindings);
}

export function ownerOf(key: string, bindings: Bindings): Command | null {
  return SHORTCUTS.find(({ command }) => keysOf(command, bindings).includes(key))?.command ?? null;
}

/** The bindings with a key for a command alone: another one that had it loses it. */
export function rebound(bindings: Bindings, command: Command, key: string): Bindings {
  const owner = ownerOf(key, bindings);
  const left = owner ? { [owner]: keysOf(owner, bindings).filter((own) => own !== key) } : {};
  return { ...bindings, ...left, [command]: [key] };
}
