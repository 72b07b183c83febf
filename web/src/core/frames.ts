/** The way between an image and the model's square; the twin of `core/frames.py`. */

/** An image's size and the side of the model's square that its longest side fills. */
export interface ImageFrame {
  /** (H, W) of the image in pixels. */
  readonly originalSize: readonly [number, number];
  /** Side S of the model's square in pixels. */
  readonly imageSize: number;
}

/** The (H, W) of the scaled image inside the square, before padding. */
export function inputSize({ originalSize, imageSize }: ImageFrame): [number, number] {
  const scale = imageSize / Math.max(...originalSize);
  const scaled = (side: number) => Math.max(1, Math.floor(side * scale + 0.5));
  return [scaled(originalSize[0]), scaled(originalSize[1])];
}
