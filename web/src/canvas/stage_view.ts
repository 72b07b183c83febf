/** The canvas in front of a person: where they look, and what hand and keys do there. */
import type { Box } from "../core/bitmap";
import type { Point, Stroke } from "../core/brush";
import type { Polygon } from "../core/polygon";
import type { PromptBox } from "../core/prompts";
import type { Rle } from "../core/rle";
import {
  type Size,
  type Viewport,
  fit,
  fitBox,
  pan,
  pixelAt,
  toImage,
  toScreen,
  zoomAt,
} from "../core/viewport";
import { LiveStroke } from "./live_stroke";
import { type Tool, bindGestures } from "./gestures";
import type { Picture } from "./picture";
import { Renderer, type Scene } from "./renderer";

export interface StageEvents {
  /** A button goes down where a click may follow. */
  onPress(pixel: Point, isRemove: boolean): void;
  /** `time` is that of the gesture's end, as `performance.now()` counts. */
  onClick(pixel: Point, isRemove: boolean, time: number): void;
  onBox(box: PromptBox, time: number): void;
  onStroke(stroke: Stroke): void;
  onPolygon(polygon: Polygon): void;
  onSelect(pixel: Point): void;
  onHover(pixel: Point | null): void;
  onScale(scale: number): void;
  /** A frame of the scene has been drawn. */
  onPainted(): void;
}

/** What a stroke changes, and how. */
export interface Paint {
  readonly mask: Rle;
  readonly colour: string;
  readonly radius: number;
}

/** What is shown, and with which tool it is worked on. */
export interface StageState {
  readonly picture: Picture;
  readonly scene: Scene;
  readonly tool: Tool;
  /** Polygons are cut out without the other button, too. */
  readonly isRemoving: boolean;
  readonly paint: Paint;
}

type Phase = "start" | "move" | "end";

const STEP_PX = 8; // of the keyboard's cross, in CSS pixels
const FAR = 8; // times as far with Shift
const CLOSE_PX = 9; // from a polygon's first point
const MARGIN_PX = 24; // the cross stays this far inside the screen
const IDLE_MS = 60; // without a frame before tiles are painted ahead

export class StageView {
  private view: Viewport | null = null;
  private screen: Size = { width: 1, height: 1 };
  private cursor: { at: Point | null; isKeyboard: boolean } = { at: null, isKeyboard: false };
  private isPanHeld = false;
  private stroke: LiveStroke | null = null;
  private box: PromptBox | null = null;
  /** Where a box of the keyboard's cross begins. */
  private corner: Point | null = null;
  private polygon: Polygon | null = null;
  /** The polygon began as a line drawn freely. */
  private isLasso = false;
  private frame = 0;
  private idle = 0;
  private readonly renderer: Renderer;
  private readonly observer: ResizeObserver;
  private readonly unbind: () => void;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private state: StageState & StageEvents,
  ) {
    this.renderer = new Renderer(canvas, state.picture);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
    this.unbind = bindGestures(
      canvas,
      () => this.state.tool,
      () => this.isPanHeld,
      {
        onPress: (at, isRemove) => this.press(this.imagePoint(at), isRemove),
        onClick: (at, isRemove) => this.act(this.imagePoint(at), isRemove),
        onBox: (from, to, isDone) => this.drag(this.imagePoint(from), this.imagePoint(to), isDone),
        onStroke: (phase, at, isErase) => this.paint(phase, this.imagePoint(at), isErase),
        onPoint: (at, isRemove) => this.addPoint(this.imagePoint(at), isRemove),
        onLasso: (phase, at, isRemove) => this.lasso(phase, this.imagePoint(at), isRemove),
        onDoubleClick: () => this.closePolygon(),
        onSelect: (at) => this.state.onSelect(this.pixel(this.imagePoint(at))),
        onHover: (at) => this.hover(at),
        onPan: (dx, dy) => this.look(pan(this.view!, dx, dy, this.size, this.screen)),
        onZoom: (at, factor) => this.look(zoomAt(this.view!, at, factor, this.size, this.screen)),
        onCancel: () => this.cancel(),
      },
    );
  }

  close(): void {
    this.unbind();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.idle);
  }

  update(state: StageState & StageEvents): void {
    if (state.tool !== this.state.tool) this.cancel();
    this.state = state;
    this.renderer.update(state.scene);
    this.redraw();
  }

  fit(): void {
    this.look(fit(this.size, this.screen));
  }

  /** Look at a part of the picture. */
  show(box: Box): void {
    this.look(fitBox(box, this.screen));
  }

  zoom(factor: number): void {
    const middle = { x: this.screen.width / 2, y: this.screen.height / 2 };
    const { at, isKeyboard } = this.cursor;
    const around = at && isKeyboard ? toScreen(this.view!, at) : middle;
    this.look(zoomAt(this.view!, around, factor, this.size, this.screen));
  }

  /** Do at the cross what a click of the pointer does there. */
  actAtCross(isRemove: boolean): void {
    const { at } = this.cursor;
    if (!at) return;
    const { tool } = this.state;
    if (tool === "brush" || tool === "eraser") {
      this.paint("start", at, isRemove || tool === "eraser");
      this.paint("end", at, isRemove);
    } else if (tool === "polygon") this.addPoint(at, isRemove);
    else if (tool === "select") this.state.onSelect(this.pixel(at));
    else this.act(at, isRemove);
  }

  /** Press at the cross or let go: the corners of a box, the ends of a stroke. */
  holdAtCross(): void {
    const { at } = this.cursor;
    if (!at) return;
    const { tool } = this.state;
    if (tool === "brush" || tool === "eraser")
      this.paint(this.stroke ? "end" : "start", at, tool === "eraser");
    else if (tool !== "segment") this.actAtCross(false);
    else if (this.corner) this.drag(this.corner, at, true);
    else this.corner = at;
    this.redraw();
  }

  /** Close the open polygon; false when there is none. */
  closePolygon(): boolean {
    const { polygon } = this;
    this.polygon = null;
    if (polygon && polygon.points.length > 2) this.state.onPolygon(polygon);
    this.redraw();
    return polygon !== null;
  }

  /** Take back the last point of the open polygon; false when there is none. */
  takePointBack(): boolean {
    const { polygon } = this;
    if (!polygon) return false;
    const points = polygon.points.slice(0, -1);
    this.polygon = points.length ? { ...polygon, points } : null;
    this.redraw();
    return true;
  }

  /** Forget what was begun and is not done; false when there is nothing. */
  cancel(): boolean {
    const isBegun = Boolean(this.stroke || this.box || this.corner || this.polygon);
    this.stroke?.end();
    this.stroke = this.box = this.corner = this.polygon = null;
    if (isBegun) this.redraw();
    return isBegun;
  }

  keyDown(event: {
    key: string;
    shiftKey: boolean;
    ctrlKey: boolean;
    altKey: boolean;
    preventDefault(): void;
  }): void {
    if (event.key === " ") {
      this.isPanHeld = true;
      this.canvas.classList.add("stage-held");
      event.preventDefault();
    }
    const [dx, dy] = ARROWS[event.key] ?? [0, 0];
    if ((!dx && !dy) || event.altKey) return;
    event.preventDefault();
    const pixels = STEP_PX * (event.shiftKey ? FAR : 1);
    if (this.state.tool === "pan" || this.isPanHeld)
      this.look(pan(this.view!, -dx * pixels, -dy * pixels, this.size, this.screen));
    else this.moveCross(dx, dy, event.ctrlKey ? 1 : pixels / this.view!.scale);
  }

  keyUp(event: { key: string }): void {
    if (event.key === " ") this.releaseKeys();
  }

  releaseKeys(): void {
    this.isPanHeld = false;
    this.canvas.classList.remove("stage-held");
  }

  private moveCross(dx: number, dy: number, step: number): void {
    const at = this.cursor.at ?? { x: this.size.width / 2, y: this.size.height / 2 };
    const clamp = (value: number, length: number) => Math.min(length - 0.5, Math.max(0.5, value));
    const moved = {
      x: clamp(at.x + dx * step, this.size.width),
      y: clamp(at.y + dy * step, this.size.height),
    };
    this.cursor = { at: moved, isKeyboard: true };
    this.keepInSight(moved);
    if (this.stroke) this.stroke.moveTo(moved);
    else if (this.corner) this.drag(this.corner, moved, false);
    this.state.onHover(this.pixel(moved));
    this.redraw();
  }

  private keepInSight(at: Point): void {
    const { x, y } = toScreen(this.view!, at);
    const beyond = (value: number, length: number) =>
      Math.min(0, value - MARGIN_PX) + Math.max(0, value - length + MARGIN_PX);
    const [dx, dy] = [beyond(x, this.screen.width), beyond(y, this.screen.height)];
    if (dx || dy) this.look(pan(this.view!, -dx, -dy, this.size, this.screen));
  }

  private act(at: Point, isRemove: boolean): void {
    if (this.isInside(at)) this.state.onClick(this.pixel(at), isRemove, performance.now());
  }

  private press(at: Point, isRemove: boolean): void {
    if (this.isInside(at)) this.state.onPress(this.pixel(at), isRemove);
  }

  private drag(a: Point, b: Point, isDone: boolean): void {
    const { width, height } = this.size;
    const clamp = (value: number, length: number) =>
      Math.min(length, Math.max(0, Math.round(value)));
    const box: PromptBox = [
      clamp(Math.min(a.x, b.x), width),
      clamp(Math.min(a.y, b.y), height),
      clamp(Math.max(a.x, b.x), width),
      clamp(Math.max(a.y, b.y), height),
    ];
    this.box = isDone ? null : box;
    if (isDone) this.corner = null;
    if (isDone && box[2] > box[0] && box[3] > box[1]) this.state.onBox(box, performance.now());
    this.redraw();
  }

  private paint(phase: Phase, at: Point, isErase: boolean): void {
    if (phase === "start") {
      const { mask, colour, radius } = this.state.paint;
      this.stroke = new LiveStroke(this.renderer.tiles, mask, colour, radius, isErase);
    }
    this.cursor = { at, isKeyboard: this.cursor.isKeyboard };
    if (phase === "end") {
      const stroke = this.stroke?.end();
      this.stroke = null;
      if (stroke) this.state.onStroke(stroke);
    } else this.stroke?.moveTo(at);
    this.redraw();
  }

  /** A corner; the first one again closes the polygon. */
  private addPoint(at: Point, isRemove: boolean): void {
    const points = this.polygon?.points ?? [];
    const first = points.length > 2 ? toScreen(this.view!, points[0]!) : null;
    const { x, y } = toScreen(this.view!, at);
    if (first && Math.hypot(first.x - x, first.y - y) < CLOSE_PX) this.closePolygon();
    else this.lineTo(at, isRemove);
  }

  private lineTo(at: Point, isRemove: boolean): void {
    const { points, erase } = this.polygon ?? {
      points: [],
      erase: isRemove || this.state.isRemoving,
    };
    this.polygon = { points: [...points, at], erase };
    this.cursor = { at, isKeyboard: this.cursor.isKeyboard };
    this.redraw();
  }

  /** A line drawn freely is closed when it was begun so, else the polygon goes on at its end. */
  private lasso(phase: Phase, at: Point, isRemove: boolean): void {
    if (phase === "start") this.isLasso = this.polygon === null;
    if (phase !== "end") this.lineTo(at, isRemove);
    else if (this.isLasso) this.closePolygon();
  }

  private hover(at: Point | null): void {
    const point = at && this.imagePoint(at);
    this.cursor = { at: point, isKeyboard: false };
    this.state.onHover(point && this.isInside(point) ? this.pixel(point) : null);
    this.redraw();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.screen = { width, height };
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    if (this.view)
      this.draw(); // a canvas of a new size is empty
    else this.fit();
  }

  private look(view: Viewport): void {
    this.view = view;
    this.state.onScale(view.scale);
    this.redraw();
  }

  /** Draw at the next frame, once, however often asked. */
  private redraw(): void {
    if (this.frame || !this.view) return;
    clearTimeout(this.idle);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const hand = { ...this.cursor, box: this.box, polygon: this.polygon };
    const { scene } = this.state;
    const isDone = this.renderer.draw(scene, this.view!, hand, devicePixelRatio);
    this.state.onPainted();
    if (!isDone) this.redraw();
    else this.prepareLater();
  }

  /** Paint what may be looked at next, a tile at a time, while nothing else is to do. */
  private prepareLater(): void {
    clearTimeout(this.idle);
    this.idle = window.setTimeout(() => {
      if (this.renderer.tiles.prepare()) this.prepareLater();
    }, IDLE_MS);
  }

  private get size(): Size {
    return this.state.picture.size;
  }

  private imagePoint(at: Point): Point {
    return toImage(this.view!, at);
  }

  private pixel(at: Point): Point {
    return pixelAt(at, this.size);
  }

  private isInside({ x, y }: Point): boolean {
    return x >= 0 && y >= 0 && x < this.size.width && y < this.size.height;
  }
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
