/** What the tiles show: the picture and the masks over it. */
import { type Bitmap, type Box, intersection } from "../core/bitmap";
import {
  type Layer,
  type PaintedLayer,
  changedBox,
  inDrawingOrder,
  isIn,
  paintLayers,
  painted,
} from "../core/overlay";
import type { Rle } from "../core/rle";
import { runsOfBitmap } from "../core/row_runs";
import type { Size, Viewport } from "../core/viewport";
import type { Picture } from "./picture";
import { Tiles } from "./tiles";

/** How picture and masks look; never a change of either. */
export interface Look {
  /** 0 to 1, of all masks. */
  readonly opacity: number;
  readonly isOutlineOnly: boolean;
  /** Of the picture; 1 is as it is. */
  readonly brightness: number;
  readonly contrast: number;
}

/** A mask while it is painted: its pixels take the place of the ones it had. */
export interface LiveMask {
  readonly instead: Rle;
  readonly pixels: Bitmap;
  readonly colour: string;
}

const LOOKS = ["opacity", "isOutlineOnly", "brightness", "contrast"] as const;
const IN_HAND_OPACITY = 0.15; // more than that of the others
const RIM = 64; // pixels around what is painted that a rim may look at

export class PictureTiles {
  private readonly tiles: Tiles;
  private readonly scratch = new OffscreenCanvas(1, 1);
  private masks: readonly Layer[] = [];
  private inHand: readonly Layer[] = [];
  private look: Look = { opacity: 1, isOutlineOnly: false, brightness: 1, contrast: 1 };
  private live: LiveMask | null = null;

  constructor(private readonly picture: Picture) {
    this.tiles = new Tiles(picture.size, (context, box, level) => this.paint(context, box, level));
  }

  /** Show these masks, those in hand on top; cheap where nothing changed. */
  show(masks: readonly Layer[], inHand: readonly Layer[], look: Look): void {
    const isNew = LOOKS.some((key) => look[key] !== this.look[key]);
    if (isNew) this.tiles.invalidate(this.whole);
    this.tiles.invalidate(changedBox(this.masks, masks));
    this.tiles.invalidate(changedBox(this.inHand, inHand));
    this.masks = inDrawingOrder(masks);
    this.inHand = inHand;
    this.look = look;
  }

  /** Show a mask that is being painted, of which a box is new; null ends it. */
  showLive(live: LiveMask | null, box: Box): void {
    this.live = live;
    // A rim changes beside the pixels that do.
    const { x0, y0, x1, y1 } = box;
    const around = { x0: x0 - RIM, y0: y0 - RIM, x1: x1 + RIM, y1: y1 + RIM };
    this.tiles.invalidate(intersection(around, this.whole));
  }

  /** As `Tiles.draw`. */
  draw(context: CanvasRenderingContext2D, view: Viewport, screen: Size): boolean {
    return this.tiles.draw(context, view, screen);
  }

  /** As `Tiles.prepare`. */
  prepare(): boolean {
    return this.tiles.prepare();
  }

  private paint(context: OffscreenCanvasRenderingContext2D, box: Box, level: number): void {
    const { brightness, contrast, opacity } = this.look;
    const [width, height] = [box.x1 - box.x0, box.y1 - box.y0];
    const step = 2 ** level;
    const source = this.picture.level(1 / step);
    const [sx, sy] = [
      (source.width * step) / this.picture.size.width,
      (source.height * step) / this.picture.size.height,
    ];
    context.clearRect(box.x0, box.y0, width, height);
    if (brightness !== 1 || contrast !== 1)
      context.filter = `brightness(${brightness}) contrast(${contrast})`;
    context.drawImage(
      source,
      ...([box.x0 * sx, box.y0 * sy, width * sx, height * sy] as const),
      ...([box.x0, box.y0, width, height] as const),
    );
    context.filter = "none";
    const [masks, inHand] = [this.masks, this.inHand].map((layers) =>
      layers.filter(({ mask }) => mask !== this.live?.instead).map(painted),
    ) as [PaintedLayer[], PaintedLayer[]];
    if (this.live) inHand.push(liveLayer(this.live, box, step));
    this.paintMasks(context, masks, box, level, opacity);
    this.paintMasks(context, inHand, box, level, Math.min(1, opacity + IN_HAND_OPACITY));
  }

  private paintMasks(
    context: OffscreenCanvasRenderingContext2D,
    layers: readonly PaintedLayer[],
    box: Box,
    level: number,
    opacity: number,
  ): void {
    const step = 2 ** level;
    const place = { x0: box.x0 * step, y0: box.y0 * step, x1: box.x1 * step, y1: box.y1 * step };
    const here = layers.filter((layer) => isIn(layer, place));
    if (!here.length) return;
    const [width, height] = [box.x1 - box.x0, box.y1 - box.y0];
    const { scratch } = this;
    if (scratch.width < width || scratch.height < height) {
      scratch.width = Math.max(scratch.width, width);
      scratch.height = Math.max(scratch.height, height);
    }
    const bytes = paintLayers(here, box, level, this.look.isOutlineOnly);
    scratch.getContext("2d")!.putImageData(new ImageData(bytes, width, height), 0, 0);
    context.globalAlpha = opacity;
    context.drawImage(scratch, 0, 0, width, height, box.x0, box.y0, width, height);
    context.globalAlpha = 1;
  }

  private get whole(): Box {
    return { x0: 0, y0: 0, x1: this.picture.size.width, y1: this.picture.size.height };
  }
}

/** The rows of a mask that is being painted, as far as a box of a level needs them. */
function liveLayer({ pixels, colour }: LiveMask, box: Box, step: number): PaintedLayer {
  const margin = 2 * step;
  const y0 = Math.max(pixels.y0, box.y0 * step - margin);
  const y1 = Math.min(pixels.y0 + pixels.height, box.y1 * step + margin);
  const rows = { x0: pixels.x0, y0, x1: pixels.x0 + pixels.width, y1: Math.max(y0, y1) };
  return { runs: runsOfBitmap(pixels, rows), colour };
}
