/** A brush stroke while the button is down: the same pixels that `applyStroke` gives at its end. */
import type { Bitmap, Box } from "../core/bitmap";
import { emptyBox, union } from "../core/bitmap";
import { type Point, type Stroke, paintSegment } from "../core/brush";
import { type Rle, rleToBitmap } from "../core/rle";
import type { MaskCanvas } from "./mask_canvas";

export class LiveStroke {
  private readonly pixels: Bitmap;
  private readonly points: Point[] = [];
  private touched: Box = emptyBox;

  constructor(
    private readonly canvas: MaskCanvas,
    mask: Rle,
    private readonly colour: string,
    private readonly radius: number,
    private readonly erase: boolean,
  ) {
    const [height, width] = mask.size;
    this.pixels = rleToBitmap(mask, { x0: 0, y0: 0, x1: width, y1: height });
  }

  /** Go on to a point of the image. */
  moveTo(at: Point): void {
    const last = this.points.at(-1) ?? at;
    this.points.push(at);
    const box = paintSegment(this.pixels, last, at, this.radius, this.erase ? 0 : 1);
    this.canvas.showBitmap(this.pixels, box, this.colour);
    this.touched = union(this.touched, box);
  }

  /** The whole stroke; the canvas is as it was before. */
  end(): Stroke {
    this.canvas.repaint(this.touched);
    return { points: this.points, radius: this.radius, erase: this.erase };
  }
}
