/** Draws a scene: the picture, the masks over it, and what the hand is doing. */
import type { Point } from "../core/brush";
import { type Layer, inDrawingOrder } from "../core/overlay";
import { outline } from "../core/outline";
import type { Click } from "../core/prompts";
import type { Rle } from "../core/rle";
import { type Size, type Viewport, toImage, toScreen } from "../core/viewport";
import { MaskCanvas } from "./mask_canvas";
import type { Picture } from "./picture";

/** All that a frame shows, apart from the picture. */
export interface Scene {
  readonly masks: readonly Layer[];
  /** The mask in hand. */
  readonly draft: Layer | null;
  /** What a click here would give. */
  readonly preview: Layer | null;
  readonly selected: Layer | null;
  readonly clicks: readonly Click[];
  /** xyxy in pixels of the image. */
  readonly box: readonly [number, number, number, number] | null;
  /** 0 to 1, of all masks. */
  readonly opacity: number;
  /** Of the brush, in pixels of the image; null with other tools. */
  readonly brushRadius: number | null;
}

/** What follows the pointer, in image coordinates. */
export interface Cursor {
  readonly at: Point | null;
  /** Moved by keys: shown as a cross. */
  readonly isKeyboard: boolean;
}

const ADD = "#22c55e";
const REMOVE = "#ef4444";

export class Renderer {
  /** The mask in hand and the preview: they change often, alone. */
  readonly inHand: MaskCanvas;
  private readonly masks: MaskCanvas;
  private readonly context: CanvasRenderingContext2D;
  private readonly paths = new WeakMap<Rle, Path2D>();

  constructor(
    canvas: HTMLCanvasElement,
    private readonly picture: Picture,
  ) {
    this.context = canvas.getContext("2d")!;
    this.masks = new MaskCanvas(picture.size);
    this.inHand = new MaskCanvas(picture.size);
  }

  /** Bring the mask canvases up to date; cheap when no mask changed. */
  update(scene: Scene): void {
    this.masks.show(inDrawingOrder(scene.masks));
    this.inHand.show([scene.preview, scene.draft].filter((layer) => layer !== null));
  }

  /** @param screen size of the canvas in CSS pixels; `ratio` device pixels lie in each. */
  draw(scene: Scene, view: Viewport, cursor: Cursor, screen: Size, ratio: number): void {
    const { context, picture } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, screen.width, screen.height); // around the picture the page shows
    context.imageSmoothingEnabled = view.scale * ratio < 3; // beyond, pixels are to be seen
    this.drawPart(picture.level(view.scale * ratio), view, screen);
    context.globalAlpha = scene.opacity;
    this.drawPart(this.masks.canvas, view, screen);
    context.globalAlpha = Math.min(1, scene.opacity + 0.15);
    this.drawPart(this.inHand.canvas, view, screen);
    context.globalAlpha = 1;
    if (scene.selected) this.drawOutline(scene.selected, view, 1.5);
    if (scene.draft) this.drawOutline(scene.draft, view, 2);
    if (scene.box) this.drawBox(scene.box, view);
    for (const click of scene.clicks) this.drawClick(click, view);
    if (cursor.at) this.drawCursor(cursor.at, cursor.isKeyboard, scene.brushRadius, view);
  }

  /** The part of a picture of any resolution that the screen shows. */
  private drawPart(source: ImageBitmap | OffscreenCanvas, view: Viewport, screen: Size): void {
    const { width, height } = this.picture.size;
    const [from, to] = [
      toImage(view, { x: 0, y: 0 }),
      toImage(view, { x: screen.width, y: screen.height }),
    ];
    const [x0, y0] = [Math.max(0, Math.floor(from.x)), Math.max(0, Math.floor(from.y))];
    const [x1, y1] = [Math.min(width, Math.ceil(to.x)), Math.min(height, Math.ceil(to.y))];
    if (x1 <= x0 || y1 <= y0) return;
    const [sx, sy] = [source.width / width, source.height / height];
    const at = toScreen(view, { x: x0, y: y0 });
    const [w, h] = [x1 - x0, y1 - y0];
    this.context.drawImage(
      source,
      x0 * sx,
      y0 * sy,
      w * sx,
      h * sy,
      at.x,
      at.y,
      w * view.scale,
      h * view.scale,
    );
  }

  private drawOutline({ mask, colour }: Layer, view: Viewport, width: number): void {
    let path = this.paths.get(mask);
    if (!path) this.paths.set(mask, (path = pathOf(outline(mask))));
    const { context } = this;
    context.save();
    context.translate(view.x, view.y);
    context.scale(view.scale, view.scale);
    context.lineCap = "square";
    for (const [style, extra] of [
      ["#ffffff", 2],
      [colour, 0],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = (width + extra) / view.scale;
      context.stroke(path);
    }
    context.restore();
  }

  private drawBox(
    [x0, y0, x1, y1]: readonly [number, number, number, number],
    view: Viewport,
  ): void {
    const { context } = this;
    const [from, to] = [toScreen(view, { x: x0, y: y0 }), toScreen(view, { x: x1, y: y1 })];
    for (const [style, dash] of [
      ["#ffffff", []],
      ["#111827", [5, 5]],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = 1.5;
      context.setLineDash([...dash]);
      context.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
    }
    context.setLineDash([]);
  }

  private drawClick({ x, y, label }: Click, view: Viewport): void {
    const { context } = this;
    const at = toScreen(view, { x: x + 0.5, y: y + 0.5 });
    context.beginPath();
    context.arc(at.x, at.y, 6.5, 0, 2 * Math.PI);
    context.fillStyle = label ? ADD : REMOVE;
    context.strokeStyle = "#ffffff";
    context.lineWidth = 2;
    context.fill();
    context.stroke();
    context.beginPath(); // a sign too: colours alone do not tell everyone
    context.moveTo(at.x - 3, at.y);
    context.lineTo(at.x + 3, at.y);
    if (label) {
      context.moveTo(at.x, at.y - 3);
      context.lineTo(at.x, at.y + 3);
    }
    context.stroke();
  }

  private drawCursor(
    at: Point,
    isKeyboard: boolean,
    brushRadius: number | null,
    view: Viewport,
  ): void {
    const { context } = this;
    const { x, y } = toScreen(view, at);
    const path = new Path2D();
    if (brushRadius !== null) path.arc(x, y, Math.max(2, brushRadius * view.scale), 0, 2 * Math.PI);
    if (isKeyboard)
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        path.moveTo(x + 4 * dx, y + 4 * dy);
        path.lineTo(x + 16 * dx, y + 16 * dy);
      }
    for (const [style, width] of [
      ["#111827", 3],
      ["#ffffff", 1.5],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke(path);
    }
  }
}

function pathOf(lines: readonly number[]): Path2D {
  const path = new Path2D();
  for (let i = 0; i < lines.length; i += 4) {
    path.moveTo(lines[i]!, lines[i + 1]!);
    path.lineTo(lines[i + 2]!, lines[i + 3]!);
  }
  return path;
}
