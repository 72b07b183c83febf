/** A picture with smaller copies of itself, so that drawing all of it small is fast and clean. */
import type { Size } from "../core/viewport";

const LEAST_SIDE = 256;

export class Picture {
  private constructor(
    /** Each half as large as the one before. */
    private readonly levels: readonly ImageBitmap[],
    readonly size: Size,
  ) {}

  /** Decode a file, turned upright by its EXIF tag; an error says when it is no picture. */
  static async decode(file: Blob): Promise<Picture> {
    const levels = [await createImageBitmap(file)];
    const { width, height } = levels[0]!;
    for (let last = levels[0]!; Math.min(last.width, last.height) >= 2 * LEAST_SIDE;) {
      last = await createImageBitmap(last, {
        resizeWidth: last.width >> 1,
        resizeHeight: last.height >> 1,
        resizeQuality: "high",
      });
      levels.push(last);
    }
    return new Picture(levels, { width, height });
  }

  /** A copy of the pixels that may be given away. */
  copy(): Promise<ImageBitmap> {
    return createImageBitmap(this.levels[0]!);
  }

  /** The smallest copy that needs no enlarging at this scale. */
  level(scale: number): ImageBitmap {
    const steps = Math.floor(Math.log2(1 / scale));
    return this.levels[Math.min(this.levels.length - 1, Math.max(0, steps))]!;
  }

  close(): void {
    for (const level of this.levels) level.close();
  }
}
