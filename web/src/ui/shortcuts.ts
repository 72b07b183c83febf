/** Which key does what: one table for the keyboard and for the help sheet. */

export type Command =
  | "segment" | "brush" | "eraser" | "select" | "pan"
  | "add" | "remove" | "toggleSign" | "choose1" | "choose2" | "choose3"
  | "accept" | "discard" | "undo" | "redo"
  | "rename" | "edit" | "delete" | "hide" | "lock" | "hideAll" | "next" | "previous"
  | "smaller" | "larger" | "zoomIn" | "zoomOut" | "fit" | "help"; // prettier-ignore

export interface Shortcut {
  readonly command: Command;
  /** As `KeyboardEvent.key`, with "Ctrl+" (Cmd on a Mac) and "Shift+" before; any of them. */
  readonly keys: readonly string[];
  readonly label: string;
  readonly group: "Tools" | "Drawing" | "Objects" | "View";
}

export const SHORTCUTS: readonly Shortcut[] = [
  {
    command: "segment",
    keys: ["s"],
    label: "Click or drag a box: the mask follows",
    group: "Tools",
  },
  { command: "brush", keys: ["b"], label: "Brush", group: "Tools" },
  { command: "eraser", keys: ["e"], label: "Eraser", group: "Tools" },
  { command: "select", keys: ["v"], label: "Select an object", group: "Tools" },
  { command: "pan", keys: ["g"], label: "Move the picture", group: "Tools" },
  { command: "smaller", keys: ["["], label: "Smaller brush", group: "Tools" },
  { command: "larger", keys: ["]"], label: "Larger brush", group: "Tools" },
  { command: "add", keys: ["."], label: "Click or paint at the cross", group: "Drawing" },
  { command: "remove", keys: [","], label: "Remove or erase at the cross", group: "Drawing" },
  {
    command: "toggleSign",
    keys: ["t"],
    label: "Switch clicks between add and remove",
    group: "Drawing",
  },
  { command: "choose1", keys: ["1"], label: "First suggestion", group: "Drawing" },
  { command: "choose2", keys: ["2"], label: "Second suggestion", group: "Drawing" },
  { command: "choose3", keys: ["3"], label: "Third suggestion", group: "Drawing" },
  {
    command: "accept",
    keys: ["Enter", "n"],
    label: "Keep the object, go on with the next",
    group: "Drawing",
  },
  {
    command: "discard",
    keys: ["Escape"],
    label: "Throw the unfinished object away",
    group: "Drawing",
  },
  { command: "undo", keys: ["Ctrl+z"], label: "Undo", group: "Drawing" },
  { command: "redo", keys: ["Ctrl+Shift+z", "Ctrl+y"], label: "Redo", group: "Drawing" },
  { command: "edit", keys: ["r"], label: "Refine the selected object", group: "Objects" },
  { command: "rename", keys: ["F2"], label: "Name the selected object", group: "Objects" },
  {
    command: "delete",
    keys: ["Delete", "Backspace"],
    label: "Delete the selected object",
    group: "Objects",
  },
  { command: "hide", keys: ["h"], label: "Hide or show the selected object", group: "Objects" },
  { command: "lock", keys: ["l"], label: "Lock or unlock the selected object", group: "Objects" },
  { command: "next", keys: ["PageDown"], label: "Select the next object", group: "Objects" },
  { command: "previous", keys: ["PageUp"], label: "Select the previous object", group: "Objects" },
  { command: "hideAll", keys: ["m"], label: "Hide or show all masks", group: "View" },
  { command: "zoomIn", keys: ["+", "="], label: "Closer", group: "View" },
  { command: "zoomOut", keys: ["-"], label: "Farther", group: "View" },
  { command: "fit", keys: ["f"], label: "The whole picture", group: "View" },
  { command: "help", keys: ["?"], label: "This sheet", group: "View" },
];

/** Ways that are no command of their own, for the help sheet. */
export const GESTURES: readonly (readonly [string, string])[] = [
  ["Click", "add to the object"],
  ["Right click, Shift or Alt + click", "remove from it"],
  ["Drag", "box around the object"],
  ["Wheel, two fingers", "zoom at the pointer"],
  ["Space + drag, middle button", "move the picture"],
  ["Arrow keys (Shift: farther)", "move the cross, with the picture in focus"],
];

/** The command of a key press, or null. */
export function commandOf(event: {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}): Command | null {
  if (event.altKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isControl = event.ctrlKey || event.metaKey;
  // Shift is part of signs such as "?" already.
  const isLetter = /^[a-z]$/.test(key);
  const pressed = `${isControl ? "Ctrl+" : ""}${event.shiftKey && isLetter ? "Shift+" : ""}${key}`;
  return SHORTCUTS.find(({ keys }) => keys.includes(pressed))?.command ?? null;
}
