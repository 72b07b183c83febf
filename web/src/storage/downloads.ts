/** Results as files that the browser saves. */
import { toCoco } from "../core/coco";
import type { Annotation } from "../core/document";
import { type Rle, rleToBitmap } from "../core/rle";
import { zip } from "../core/zip";

export interface Source {
  readonly fileName: string;
  readonly width: number;
  readonly height: number;
}

export function downloadCoco(
  annotations: readonly Annotation[],
  source: Source,
  modelId: string | null,
): void {
  const text = JSON.stringify(toCoco(annotations, source, modelId), null, 1);
  save(new Blob([text], { type: "application/json" }), `${stem(source)}_coco.json`);
}

/** One PNG a mask, 255 inside and 0 outside, of the picture's size. */
export async function downloadPng(
  annotations: readonly Annotation[],
  source: Source,
): Promise<void> {
  const entries = [];
  for (const [i, { name, mask }] of annotations.entries()) {
    const number = String(i + 1).padStart(3, "0");
    const label = name.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 60);
    entries.push({ name: `${number}${label && `_${label}`}.png`, data: await maskPng(mask) });
  }
  save(new Blob([zip(entries)], { type: "application/zip" }), `${stem(source)}_masks.zip`);
}

async function maskPng(mask: Rle): Promise<Uint8Array> {
  const [height, width] = mask.size;
  const { data } = rleToBitmap(mask, { x0: 0, y0: 0, x1: width, y1: height });
  const canvas = new OffscreenCanvas(width, height);
  const pixels = Uint32Array.from(data, (inside) => (inside ? 0xffffffff : 0xff000000));
  const bytes = new Uint8ClampedArray(pixels.buffer);
  canvas.getContext("2d")!.putImageData(new ImageData(bytes, width, height), 0, 0);
  const png = await canvas.convertToBlob({ type: "image/png" });
  return new Uint8Array(await png.arrayBuffer());
}

const stem = ({ fileName }: Source) => fileName.replace(/\.[^.]*$/, "");

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after the click
}
