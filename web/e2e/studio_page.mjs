// What there is on the studio's screen, for the scripts of this folder.
import assert from "node:assert/strict";
import { fit } from "../src/core/viewport.ts";

// So dense that the picture's pixels are drawn as squares, which can be told apart.
export const DENSE = { viewport: { width: 1360, height: 850 }, deviceScaleFactor: 2 };

export const stage = (page) => page.locator("canvas.stage");

/** A point of the picture (shares of its sides) on the screen. */
export async function at(page, x, y) {
  const box = await stage(page).boundingBox();
  const size = await pictureSize(page);
  const view = fit(size, box);
  return [
    box.x + view.x + x * size.width * view.scale,
    box.y + view.y + y * size.height * view.scale,
  ];
}

export async function pictureSize(page) {
  const [, width, height] = /(\d+) × (\d+)/.exec(await page.locator(".status-line").innerText());
  return { width: Number(width), height: Number(height) };
}

/** The area of the mask in hand, once it is there. */
export async function area(page) {
  const status = page.locator("[role=status]", { hasText: "Mask of" });
  return Number(/Mask of ([\d,]+) pixels/.exec(await status.innerText())[1].replaceAll(",", ""));
}

/** Waits until the page has shown the masks of so many clicks and boxes. */
export const answered = (page, count) =>
  page.waitForFunction(
    (wanted) => performance.getEntriesByName("anymask:click-to-mask").length >= wanted,
    count,
  );

export const suggestions = (page) => page.locator(".suggestion");
export const objectNames = (page) => page.locator(".object-name span").allInnerTexts();

/** For every pixel of the picture: whether the canvas shows something else there than without masks. */
export async function shownPixels(page) {
  await page.mouse.move(2, 2);
  await page.keyboard.press("Escape"); // nothing selected, no outline
  await page.keyboard.press("f");
  const read = () =>
    page.evaluate(async () => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const canvas = document.querySelector("canvas.stage");
      const { width, height } = canvas;
      return [...canvas.getContext("2d").getImageData(0, 0, width, height).data].join();
    });
  const withMasks = (await read()).split(",");
  await page.keyboard.press("m");
  const without = (await read()).split(",");
  await page.keyboard.press("m");
  const box = await stage(page).boundingBox();
  const [size, ratio] = [await pictureSize(page), DENSE.deviceScaleFactor];
  const view = fit(size, box);
  assert(view.scale * ratio >= 3, "the picture's pixels must be drawn as squares");
  const across = Math.round(box.width * ratio);
  const shown = new Uint8Array(size.width * size.height);
  for (let y = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++) {
      const [sx, sy] = [(x + 0.5) * view.scale + view.x, (y + 0.5) * view.scale + view.y];
      const place = 4 * (Math.floor(sy * ratio) * across + Math.floor(sx * ratio));
      shown[y * size.width + x] = [0, 1, 2].some((i) => withMasks[place + i] !== without[place + i])
        ? 1
        : 0;
    }
  return shown;
}
