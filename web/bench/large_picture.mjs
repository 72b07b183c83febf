// A large picture and masks all over it, for measurements: the same ones each time.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** Writes a noisy PNG, drawn in the page, and returns its path. */
export async function paintPicture(page, width, height) {
  const base64 = await page.evaluate(
    async ([w, h]) => {
      const canvas = new OffscreenCanvas(w, h);
      const context = canvas.getContext("2d");
      let state = 1;
      const random = () => (state = (state * 48271) % 2147483647) / 2147483647; // Park and Miller
      for (let i = 0; i < 4000; i++) {
        context.fillStyle = `hsl(${360 * random()} 60% ${20 + 60 * random()}%)`;
        context.fillRect(w * random() - 100, h * random() - 100, 400 * random(), 400 * random());
      }
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
      const bytes = new Uint8Array(await blob.arrayBuffer());
      return (
        bytes.toBase64?.() ?? btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
      );
    },
    [width, height],
  );
  const path = join(mkdtempSync(join(tmpdir(), "anymask-")), "large.jpg");
  writeFileSync(path, Buffer.from(base64, "base64"));
  return path;
}

/** COCO JSON of wavy blobs of many sizes. */
export function masksFile(picture, numMasks, width, height) {
  let state = 7;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const blob = () => {
    const [x, y] = [width * random(), height * random()];
    const radius = 30 + 0.08 * Math.min(width, height) * random() ** 2;
    const waves = 3 + Math.floor(9 * random());
    return Array.from({ length: 90 }, (_, i) => {
      const angle = (2 * Math.PI * i) / 90;
      const length = radius * (1 + 0.3 * Math.sin(waves * angle));
      return [x + length * Math.cos(angle), y + length * Math.sin(angle)];
    }).flat();
  };
  return JSON.stringify({
    images: [{ id: 1, file_name: basename(picture), width, height }],
    categories: [{ id: 1, name: "object" }],
    annotations: Array.from({ length: numMasks }, (_, i) => ({
      id: i + 1,
      image_id: 1,
      category_id: 1,
      segmentation: [blob()],
    })),
  });
}
