/** A canvas of a picture's size that shows masks; only what changed is painted again. */
import { type Bitmap, type Box, intersection, isEmpty } from "../core/bitmap";
import { type Layer, changedBox, paintLayers } from "../core/overlay";
import type { Size } from "../core/viewport";

const STRIP_ROWS = 512; // bounds the memory of one painting

export class MaskCanvas {
  readonly canvas: OffscreenCanvas;
  private readonly context: OffscreenCanvasRenderingContext2D;
  private readonly edge: number;
  private layers: readonly Layer[] = [];

  constructor(private readonly size: Size) {
    this.canvas = new OffscreenCanvas(size.width, size.height);
    this.context = this.canvas.getContext("2d")!;
    // Rims of a large picture must still be seen when all of it is on the screen.
    this.edge = Math.max(1, Math.round(Math.max(size.width, size.height) / 900));
  }

  /** Show these layers, the last on top; true when anything changed. */
  show(layers: readonly Layer[]): boolean {
    const changed = changedBox(this.layers, layers);
    this.layers = layers;
    this.paint(changed);
    return !isEmpty(changed);
  }

  /** Show a part of a mask that is being painted, in one colour, until `repaint`. */
  showBitmap(pixels: Bitmap, box: Box, colour: string): void {
    const { x0, y0, width, data } = pixels;
    const { context } = this;
    context.clearRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
    context.fillStyle = `${colour}96`; // as see-through as the fill of a layer
    for (let y = box.y0; y < box.y1; y++) {
      const row = data.subarray((y - y0) * width + box.x0 - x0, (y - y0) * width + box.x1 - x0);
      for (let start = row.indexOf(1); start >= 0;) {
        const gap = row.indexOf(0, start);
        const end = gap < 0 ? row.length : gap;
        context.fillRect(box.x0 + start, y, end - start, 1);
        start = end < row.length ? row.indexOf(1, end) : -1;
      }
    }
  }

  /** Paint the layers again where `showBitmap` has drawn. */
  repaint(box: Box): void {
    this.paint(box);
  }

  private paint(box: Box): void {
    const all = { x0: 0, y0: 0, x1: this.size.width, y1: this.size.height };
    const inside = intersection(box, all);
    for (let y0 = inside.y0; y0 < inside.y1; y0 += STRIP_ROWS) {
      const strip = { ...inside, y0, y1: Math.min(inside.y1, y0 + STRIP_ROWS) };
      const bytes = paintLayers(this.layers, strip, this.edge);
      this.context.putImageData(new ImageData(bytes, strip.x1 - strip.x0), strip.x0, strip.y0);
    }
  }
}
