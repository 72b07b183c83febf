/** A brush stroke while the button is down: the same pixels that `applyStroke` gives at its end. */
import { type Bitmap, type Box, union } from "../core/bitmap";
import { type Point, type Stroke, paintSegment } from "../core/brush";
import { type Rle, rleBox, rleToBitmap } from "../core/rle";
import type { PictureTiles } from "./picture_tiles";

export class LiveStroke {
  private readonly pixels: Bitmap;
  private readonly points: Point[] = [];
  private touched: Box;

  constructor(
    private readonly tiles: PictureTiles,
    private readonly mask: Rle,
    private readonly colour: string,
    private readonly radius: number,
    private readonly erase: boolean,
  ) {
    const [height, width] = mask.size;
    this.pixels = rleToBitmap(mask, { x0: 0, y0: 0, x1: width, y1: height });
    this.touched = rleBox(mask);
    this.show(this.touched);
  }

  /** Go on to a point of the image. */
  moveTo(at: Point): void {
    const last = this.points.at(-1) ?? at;
    this.points.push(at);
    const box = paintSegment(this.pixels, last, at, this.radius, this.erase ? 0 : 1);
    this.show(box);
    this.touched = union(this.touched, box);
  }

  private show(box: Box): void {
    const { pixels, colour, mask: instead } = this;
    this.tiles.showLive({ instead, pixels, colour }, box);
  }

  /** The whole stroke; the tiles are as they were before. */
  end(): Stroke {
    this.tiles.showLive(null, this.touched);
    return { points: this.points, radius: this.radius, erase: this.erase };
  }
}
