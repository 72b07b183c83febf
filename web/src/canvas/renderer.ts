/** Draws a scene: the picture with its masks, and what the hand is doing. */
import type { Point } from "../core/brush";
import type { Layer } from "../core/overlay";
import { outline } from "../core/outline";
import type { Polygon } from "../core/polygon";
import type { Click, PromptBox } from "../core/prompts";
import type { Rle } from "../core/rle";
import { type Viewport, toScreen } from "../core/viewport";
import type { Picture } from "./picture";
import { type Look, PictureTiles } from "./picture_tiles";

/** All that a frame shows, apart from the picture. */
export interface Scene {
  readonly masks: readonly Layer[];
  /** What changes often, over the others: the draft, previews, suggestions. */
  readonly inHand: readonly Layer[];
  /** Masks with a line around them. */
  readonly outlined: readonly Layer[];
  readonly clicks: readonly Click[];
  readonly box: PromptBox | null;
  readonly look: Look;
  /** Of the brush, in pixels of the image; null with other tools. */
  readonly brushRadius: number | null;
}

/** What the hand is doing, in image coordinates. */
export interface Hand {
  readonly at: Point | null;
  /** Moved by keys: shown as a cross. */
  readonly isKeyboard: boolean;
  /** A box that is being dragged. */
  readonly box: PromptBox | null;
  /** A polygon that is not closed yet. */
  readonly polygon: Polygon | null;
}

const ADD = "#22c55e";
const REMOVE = "#ef4444";

const NEAREST_FROM = 3; // device pixels in a pixel of the picture: from there pixels are to be seen

export class Renderer {
  readonly tiles: PictureTiles;
  private readonly context: CanvasRenderingContext2D;
  private readonly paths = new WeakMap<Rle, Path2D>();

  constructor(canvas: HTMLCanvasElement, picture: Picture) {
    this.context = canvas.getContext("2d")!;
    this.tiles = new PictureTiles(picture);
  }

  /** Bring the tiles up to date; cheap when no mask changed. */
  update({ masks, inHand, look }: Scene): void {
    this.tiles.show(masks, inHand, look);
  }

  /**
   * Draw a frame; false when it is coarser than it should be in places, and wants another.
   *
   * @param ratio device pixels in a CSS pixel, in which the view counts.
   */
  draw(scene: Scene, view: Viewport, hand: Hand, ratio: number): boolean {
    const { context } = this;
    const dense = { scale: view.scale * ratio, x: view.x * ratio, y: view.y * ratio };
    const { width, height } = context.canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height); // around the picture the page shows
    context.imageSmoothingEnabled = dense.scale < NEAREST_FROM;
    const isDone = this.tiles.draw(context, dense, { width, height });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const layer of scene.outlined) this.drawOutline(layer, view, 2);
    const box = hand.box ?? scene.box;
    if (box) this.drawBox(box, view);
    if (hand.polygon) this.drawPolygon(hand.polygon, hand.at, view);
    for (const click of scene.clicks) this.drawClick(click, view);
    if (hand.at) this.drawCursor(hand.at, hand.isKeyboard, scene.brushRadius, view);
    return isDone;
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

  private drawBox([x0, y0, x1, y1]: PromptBox, view: Viewport): void {
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

  /** The points so far, with a line on to the pointer; the first one closes it. */
  private drawPolygon({ points, erase }: Polygon, at: Point | null, view: Viewport): void {
    const { context } = this;
    const path = new Path2D();
    for (const point of at ? [...points, at] : points) {
      const { x, y } = toScreen(view, point);
      path.lineTo(x, y);
    }
    for (const [style, width] of [
      ["#ffffff", 4],
      [erase ? REMOVE : ADD, 2],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.lineJoin = "round";
      context.stroke(path);
    }
    const first = toScreen(view, points[0]!);
    context.beginPath();
    context.arc(first.x, first.y, 5, 0, 2 * Math.PI);
    context.fillStyle = "#ffffff";
    context.fill();
    context.stroke();
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
