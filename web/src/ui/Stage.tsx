/** The picture with its masks: where people click, drag, paint, zoom and pan. */
import { type KeyboardEvent, type Ref, useEffect, useImperativeHandle, useRef } from "react";
import { LiveStroke } from "../canvas/live_stroke";
import { type Tool, bindGestures } from "../canvas/gestures";
import type { Picture } from "../canvas/picture";
import { type Cursor, Renderer, type Scene } from "../canvas/renderer";
import type { Point, Stroke } from "../core/brush";
import type { PromptBox } from "../core/prompts";
import type { Rle } from "../core/rle";
import {
  type Size,
  type Viewport,
  fit,
  pan,
  pixelAt,
  toImage,
  toScreen,
  zoomAt,
} from "../core/viewport";

export interface StageEvents {
  /** `time` is that of the gesture's end, as `performance.now()` counts. */
  onClick(pixel: Point, isRemove: boolean, time: number): void;
  onBox(box: PromptBox, time: number): void;
  onStroke(stroke: Stroke): void;
  onSelect(pixel: Point): void;
  onHover(pixel: Point | null): void;
  /** A frame of the scene has been drawn. */
  onPainted(): void;
}

/** What a stroke changes, and how. */
export interface Paint {
  readonly mask: Rle;
  readonly colour: string;
  readonly radius: number;
}

/** What others may ask of the stage. */
export interface StageHandle {
  fit(): void;
  zoom(factor: number): void;
  /** Do at the cross what a click of the pointer does there. */
  actAtCross(isRemove: boolean): void;
}

const STEP_PX = 8; // of the keyboard's cross, in CSS pixels
const FAR = 8; // times as far with Shift

interface Props extends StageEvents {
  readonly picture: Picture;
  readonly scene: Scene;
  readonly tool: Tool;
  readonly paint: Paint;
  readonly label: string;
  readonly onScale: (scale: number) => void;
  readonly ref: Ref<StageHandle>;
}

export function Stage(props: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<ImperativeStage>(null);
  useEffect(() => {
    const made = new ImperativeStage(canvas.current!, props);
    stage.current = made;
    return () => made.close();
  }, [props.picture]);
  useEffect(() => stage.current!.update(props));
  useImperativeHandle(props.ref, () => ({
    fit: () => stage.current!.fit(),
    zoom: (factor) => stage.current!.zoom(factor),
    actAtCross: (isRemove) => stage.current!.actAtCross(isRemove),
  }));
  return (
    <canvas
      ref={canvas}
      className={`stage stage-${props.tool}`}
      tabIndex={0}
      role="application"
      aria-label={props.label}
      onKeyDown={(event) => stage.current!.keyDown(event)}
      onKeyUp={(event) => stage.current!.keyUp(event)}
      onBlur={() => stage.current!.releaseKeys()}
    />
  );
}

/** Everything of the stage that changes faster than React renders. */
class ImperativeStage {
  private view: Viewport | null = null;
  private screen: Size = { width: 1, height: 1 };
  private cursor: Cursor = { at: null, isKeyboard: false };
  private isPanHeld = false;
  private stroke: LiveStroke | null = null;
  private draggedBox: PromptBox | null = null;
  private frame = 0;
  private readonly renderer: Renderer;
  private readonly observer: ResizeObserver;
  private readonly unbind: () => void;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private props: Props,
  ) {
    this.renderer = new Renderer(canvas, props.picture);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
    this.unbind = bindGestures(
      canvas,
      () => this.props.tool,
      () => this.isPanHeld,
      {
        onClick: (at, isRemove) => this.act(this.imagePoint(at), isRemove),
        onBox: (from, to, isDone) => this.box(from, to, isDone),
        onStroke: (phase, at, isErase) => this.paint(phase, this.imagePoint(at), isErase),
        onSelect: (at) => this.props.onSelect(this.pixel(this.imagePoint(at))),
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
  }

  update(props: Props): void {
    this.props = props;
    if (!this.stroke) this.renderer.update(props.scene);
    this.redraw();
  }

  fit(): void {
    this.look(fit(this.size, this.screen));
  }

  zoom(factor: number): void {
    const middle = { x: this.screen.width / 2, y: this.screen.height / 2 };
    const at =
      this.cursor.at && this.cursor.isKeyboard ? toScreen(this.view!, this.cursor.at) : middle;
    this.look(zoomAt(this.view!, at, factor, this.size, this.screen));
  }

  actAtCross(isRemove: boolean): void {
    const at = this.cursor.at;
    if (!at) return;
    const { tool } = this.props;
    if (tool === "brush" || tool === "eraser") {
      this.paint("start", at, isRemove || tool === "eraser");
      this.paint("end", at, isRemove);
    } else if (tool === "select") this.props.onSelect(this.pixel(at));
    else this.act(at, isRemove);
  }

  keyDown(event: KeyboardEvent): void {
    if (event.key === " ") {
      this.isPanHeld = true;
      this.canvas.classList.add("stage-held");
      event.preventDefault();
    }
    const [dx, dy] = ARROWS[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    const step = (STEP_PX * (event.shiftKey ? FAR : 1)) / this.view!.scale;
    const at = this.cursor.at ?? { x: this.size.width / 2, y: this.size.height / 2 };
    const clamp = (value: number, length: number) => Math.min(length - 0.5, Math.max(0.5, value));
    const moved = {
      x: clamp(at.x + dx * step, this.size.width),
      y: clamp(at.y + dy * step, this.size.height),
    };
    this.cursor = { at: moved, isKeyboard: true };
    this.props.onHover(this.pixel(moved));
    this.redraw();
  }

  keyUp(event: KeyboardEvent): void {
    if (event.key === " ") this.releaseKeys();
  }

  releaseKeys(): void {
    this.isPanHeld = false;
    this.canvas.classList.remove("stage-held");
  }

  private act(at: Point, isRemove: boolean): void {
    if (this.isInside(at)) this.props.onClick(this.pixel(at), isRemove, performance.now());
  }

  private box(from: Point, to: Point, isDone: boolean): void {
    const [a, b] = [this.imagePoint(from), this.imagePoint(to)];
    const { width, height } = this.size;
    const clamp = (value: number, length: number) =>
      Math.min(length, Math.max(0, Math.round(value)));
    const [xs, ys] = [
      [a.x, b.x],
      [a.y, b.y],
    ];
    const box: PromptBox = [
      clamp(Math.min(...xs), width),
      clamp(Math.min(...ys), height),
      clamp(Math.max(...xs), width),
      clamp(Math.max(...ys), height),
    ];
    this.draggedBox = isDone ? null : box;
    if (isDone && box[2] > box[0] && box[3] > box[1]) this.props.onBox(box, performance.now());
    this.redraw();
  }

  private paint(phase: "start" | "move" | "end", at: Point, isErase: boolean): void {
    if (phase === "start") {
      const { mask, colour, radius } = this.props.paint;
      this.stroke = new LiveStroke(this.renderer.inHand, mask, colour, radius, isErase);
    }
    this.cursor = { at, isKeyboard: this.cursor.isKeyboard };
    if (phase === "end") {
      const stroke = this.stroke?.end();
      this.stroke = null;
      if (stroke) this.props.onStroke(stroke);
    } else this.stroke?.moveTo(at);
    this.redraw();
  }

  private cancel(): void {
    this.stroke?.end();
    this.stroke = null;
    this.draggedBox = null;
    this.redraw();
  }

  private hover(at: Point | null): void {
    const point = at && this.imagePoint(at);
    this.cursor = { at: point, isKeyboard: false };
    this.props.onHover(point && this.isInside(point) ? this.pixel(point) : null);
    this.redraw();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.screen = { width, height };
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    if (this.view) this.redraw();
    else this.fit();
  }

  private look(view: Viewport): void {
    this.view = view;
    this.props.onScale(view.scale);
    this.redraw();
  }

  /** Draw at the next frame, once, however often asked. */
  private redraw(): void {
    if (this.frame || !this.view) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const scene = { ...this.props.scene, box: this.draggedBox ?? this.props.scene.box };
      this.renderer.draw(scene, this.view!, this.cursor, this.screen, devicePixelRatio);
      this.props.onPainted();
    });
  }

  private get size(): Size {
    return this.props.picture.size;
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
