/** Pictures scaled down as the model saw them in training: bilinear with antialiasing. */

/** Red, green and blue bytes, row by row. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** RGBA or RGB pixels as RGB of another size; equal to Pillow's BILINEAR within rounding. */
export function resizeRgb(
  source: { width: number; height: number; data: Uint8Array | Uint8ClampedArray },
  width: number,
  height: number,
): Rgb {
  const channels = source.data.length / (source.width * source.height);
  const across = filter(source.width, width);
  const narrow = new Uint8Array(width * source.height * 3);
  for (let y = 0; y < source.height; y++)
    for (let x = 0; x < width; x++) {
      const { start, weights } = across[x]!;
      let [r, g, b] = [0.5, 0.5, 0.5];
      let at = (y * source.width + start) * channels;
      for (let i = 0; i < weights.length; i++, at += channels) {
        const weight = weights[i]!;
        r += weight * source.data[at]!;
        g += weight * source.data[at + 1]!;
        b += weight * source.data[at + 2]!;
      }
      const to = (y * width + x) * 3;
      narrow[to] = r;
      narrow[to + 1] = g;
      narrow[to + 2] = b;
    }
  const stride = width * 3;
  const data = new Uint8Array(stride * height);
  filter(source.height, height).forEach(({ start, weights }, y) => {
    for (let i = 0; i < stride; i++) {
      let sum = 0.5;
      for (let k = 0; k < weights.length; k++)
        sum += weights[k]! * narrow[(start + k) * stride + i]!;
      data[y * stride + i] = sum;
    }
  });
  return { width, height, data };
}

/** For each pixel along an axis of the result: the first source pixel and the shares from there. */
function filter(from: number, to: number): { start: number; weights: Float64Array }[] {
  const scale = from / to;
  const support = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.floor(centre - support + 0.5));
    const end = Math.min(from, Math.floor(centre + support + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, k) =>
      Math.max(0, 1 - Math.abs((start + k + 0.5 - centre) / support)),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: weights.map((weight) => weight / total) };
  });
}
