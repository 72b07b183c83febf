/** Mouse, pen and fingers on the canvas as a few gestures; points are CSS pixels of the canvas. */
import type { Point } from "../core/brush";

export type Tool = "segment" | "polygon" | "brush" | "eraser" | "select" | "pan";

export interface Gestures {
  /** The button goes down where a click may follow. */
  onPress(at: Point, isRemove: boolean): void;
  onClick(at: Point, isRemove: boolean): void;
  /** A box from corner to corner; `isDone` when the button goes up. */
  onBox(from: Point, to: Point, isDone: boolean): void;
  onStroke(phase: "start" | "move" | "end", at: Point, isErase: boolean): void;
  /** A corner of a polygon. */
  onPoint(at: Point, isRemove: boolean): void;
  /** A polygon's line drawn freely: its first point, each further one, the end of the line. */
  onLasso(phase: "start" | "move" | "end", at: Point, isRemove: boolean): void;
  onDoubleClick(): void;
  onSelect(at: Point): void;
  /** The pointer without a button; null when it leaves. */
  onHover(at: Point | null): void;
  onPan(dx: number, dy: number): void;
  onZoom(at: Point, factor: number): void;
  /** What began is to be forgotten: a second finger came. */
  onCancel(): void;
}

type Action = "click" | "box" | "stroke" | "point" | "lasso" | "select" | "pan" | "pinch" | "none";

const DRAG_PX = 5; // a hand trembles less
const MIDDLE = 1;
const RIGHT = 2;
const PEN_ERASER = 32; // in `buttons`

/** Bind the canvas; the result unbinds it. `tool` and `isPanHeld` are asked at each gesture. */
export function bindGestures(
  canvas: HTMLCanvasElement,
  tool: () => Tool,
  isPanHeld: () => boolean,
  gestures: Gestures,
): () => void {
  const pointers = new Map<number, Point>();
  let [action, from, isSecond]: [Action, Point, boolean] = ["none", { x: 0, y: 0 }, false];
  let pen: number | null = null; // down: the hand that rests beside it is no finger

  const place = (event: MouseEvent): Point => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  const down = (event: PointerEvent) => {
    if (pen !== null) return;
    if (event.pointerType === "pen") {
      pen = event.pointerId;
      forgetOthers();
    }
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    pointers.set(event.pointerId, at);
    if (pointers.size > 1) {
      if (isBegun()) gestures.onCancel();
      action = "pinch";
      return;
    }
    from = at;
    isSecond =
      event.button === RIGHT || event.shiftKey || event.altKey || (event.buttons & PEN_ERASER) > 0;
    action = started(event);
    if (action === "stroke") gestures.onStroke("start", at, isSecond || tool() === "eraser");
    if (action === "click") gestures.onPress(at, isSecond);
  };

  /** The hand came down before its pen: what it began does not count. */
  const forgetOthers = () => {
    if (isBegun()) gestures.onCancel();
    pointers.clear();
  };

  const isBegun = () => action === "stroke" || action === "box" || action === "lasso";

  const started = (event: PointerEvent): Action => {
    if (event.button === MIDDLE || isPanHeld() || tool() === "pan") return "pan";
    if (tool() === "brush" || tool() === "eraser") return "stroke";
    if (tool() === "polygon") return "point";
    return tool() === "select" ? "select" : "click";
  };

  const move = (event: PointerEvent) => {
    const at = place(event);
    const last = pointers.get(event.pointerId);
    if (!last) {
      if (event.pointerType !== "touch" && pen === null) gestures.onHover(at);
      return;
    }
    if (action === "pinch") pinch(event.pointerId, last, at);
    if (action === "pan") gestures.onPan(at.x - last.x, at.y - last.y);
    const isDragged = Math.hypot(at.x - from.x, at.y - from.y) > DRAG_PX;
    if (action === "click" && !isSecond && isDragged) action = "box";
    if (action === "point" && isDragged) {
      action = "lasso";
      gestures.onLasso("start", from, isSecond);
    }
    if (action === "box") gestures.onBox(from, at, false);
    if (action === "stroke" || action === "lasso")
      for (const each of allOf(event))
        if (action === "stroke") gestures.onStroke("move", place(each), isSecond);
        else gestures.onLasso("move", place(each), isSecond);
    pointers.set(event.pointerId, at);
  };

  /** The first two fingers: their middle pans, their distance zooms. */
  const pinch = (id: number, last: Point, at: Point) => {
    const other = [...pointers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const [before, after] = [last, at].map((p) => Math.hypot(p.x - other.x, p.y - other.y)) as [
      number,
      number,
    ];
    gestures.onPan((at.x - last.x) / 2, (at.y - last.y) / 2);
    if (before > 0)
      gestures.onZoom({ x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 }, after / before);
  };

  const up = (event: PointerEvent) => {
    if (pen === event.pointerId) pen = null;
    if (!pointers.delete(event.pointerId)) return;
    const at = place(event);
    if (action === "point") gestures.onPoint(at, isSecond);
    if (action === "lasso") gestures.onLasso("end", at, isSecond);
    if (action === "click") gestures.onClick(at, isSecond);
    if (action === "box") gestures.onBox(from, at, true);
    if (action === "stroke") gestures.onStroke("end", at, isSecond);
    if (action === "select") gestures.onSelect(at);
    if (!pointers.size) action = "none";
  };

  const cancel = (event: PointerEvent) => {
    if (pen === event.pointerId) pen = null;
    if (!pointers.delete(event.pointerId)) return;
    if (action !== "none") gestures.onCancel();
    if (!pointers.size) action = "none";
  };

  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    // Lines and pages of some mice as pixels; pinching a trackpad comes with Ctrl and small steps.
    const pixels = event.deltaY * [1, 30, 400][event.deltaMode]!;
    gestures.onZoom(place(event), Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0015)));
  };

  const leave = () => gestures.onHover(null);
  const doubleClick = () => gestures.onDoubleClick();
  const noMenu = (event: Event) => event.preventDefault();

  const bound: [string, (event: never) => void][] = [
    ["pointerdown", down],
    ["pointermove", move],
    ["pointerup", up],
    ["pointercancel", cancel],
    ["pointerleave", leave],
    ["dblclick", doubleClick],
    ["wheel", wheel],
    ["contextmenu", noMenu],
  ];
  for (const [name, listener] of bound)
    canvas.addEventListener(name, listener as EventListener, { passive: false });
  return () => {
    for (const [name, listener] of bound)
      canvas.removeEventListener(name, listener as EventListener);
  };
}

/** The places between two frames, too, where the browser tells them. */
function allOf(event: PointerEvent): PointerEvent[] {
  const coalesced = event.getCoalescedEvents?.() ?? [];
  return coalesced.length ? coalesced : [event];
}
