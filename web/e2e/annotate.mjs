// What an annotator does, in headless Chromium; leaves what was exported and what was shown.
//
//   node e2e/annotate.mjs SITE PICTURE OUTPUT
//
// OUTPUT gets the exported COCO JSON and ZIP, shown.bin (a byte a pixel: 1 where a mask is painted)
// and screenshots. Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fit } from "../src/core/viewport.ts";
import { dropPicture, waitUntilReady, withPage } from "./browser.mjs";

const [site, picture, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });

// So dense that the picture's pixels are drawn as squares, which can be told apart.
const DENSE = { viewport: { width: 1360, height: 850 }, deviceScaleFactor: 2 };

const stage = (page) => page.locator("canvas.stage");

/** A point of the picture (shares of its sides) on the screen. */
async function at(page, x, y) {
  const box = await stage(page).boundingBox();
  const size = await pictureSize(page);
  const view = fit(size, box);
  return [
    box.x + view.x + x * size.width * view.scale,
    box.y + view.y + y * size.height * view.scale,
  ];
}

async function pictureSize(page) {
  const [, width, height] = /(\d+) × (\d+)/.exec(await page.locator(".status-line").innerText());
  return { width: Number(width), height: Number(height) };
}

/** The area of the mask in hand, once it is there. */
async function area(page) {
  const status = page.locator("[role=status]", { hasText: "Mask of" });
  return Number(/Mask of ([\d,]+) pixels/.exec(await status.innerText())[1].replaceAll(",", ""));
}

const suggestions = (page) => page.locator(".suggestion");
const objectNames = (page) => page.locator(".object-name span").allInnerTexts();

async function download(page, button) {
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button }).click(),
  ]);
  await file.saveAs(join(output, file.suggestedFilename()));
  return file.suggestedFilename();
}

/** For every pixel of the picture: whether the canvas shows something else there than without masks. */
async function shownPixels(page) {
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

async function annotate(page) {
  await dropPicture(page, picture);

  // a click, a click that removes, the second suggestion
  await page.mouse.click(...(await at(page, 0.45, 0.4)));
  await suggestions(page).first().waitFor();
  assert.equal(await suggestions(page).count(), 3);
  await area(page);
  await page.mouse.click(...(await at(page, 0.1, 0.9)), { button: "right" });
  await area(page);
  await page.keyboard.press("2");
  await page.locator('.suggestion:nth-child(2)[aria-pressed="true"]').waitFor();

  // brush, undo, redo
  const before = await area(page);
  await page.keyboard.press("b");
  await page.mouse.move(...(await at(page, 0.8, 0.1)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, 0.9, 0.2)), { steps: 5 });
  await page.mouse.up();
  const painted = await area(page);
  assert(painted > before, `the brush adds pixels: ${before} to ${painted}`);
  await page.keyboard.press("Control+z");
  assert.equal(await area(page), before);
  await page.keyboard.press("Control+Shift+z");
  assert.equal(await area(page), painted);

  // keep, name
  await page.keyboard.press("Enter");
  await page.keyboard.press("F2");
  await page.keyboard.type("cup");
  await page.keyboard.press("Enter");
  assert.deepEqual(await objectNames(page), ["cup"]);

  // a box
  await page.keyboard.press("s");
  await page.mouse.move(...(await at(page, 0.5, 0.6)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, 0.72, 0.85)), { steps: 4 });
  await page.mouse.up();
  await suggestions(page).first().waitFor();
  await page.keyboard.press("n");

  // by keys alone
  await stage(page).focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press(".");
  await suggestions(page).first().waitFor();
  await page.screenshot({ path: join(output, "by-keys.png") });
  await page.keyboard.press("Enter");

  // an unfinished object outlives a reload, too
  await page.mouse.click(...(await at(page, 0.2, 0.5)));
  await suggestions(page).first().waitFor();
  const unfinished = await area(page);
  await page.getByText("Kept in this browser").waitFor();
  await page.reload();
  await page.locator(".object").first().waitFor({ timeout: 120_000 });
  assert.deepEqual(await objectNames(page), ["cup", "Object 2", "Object 3"]);
  assert.equal(await area(page), unfinished);
  await page.keyboard.press("Escape");
  await waitUntilReady(page);

  const files = [await download(page, "COCO"), await download(page, "PNG")];
  writeFileSync(join(output, "shown.bin"), await shownPixels(page));
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(output, `${colorScheme}.png`) });
  }
  return { files, status: await page.locator(".status-line").innerText() };
}

/** Without isolation there are no threads; a click is answered all the same. */
async function clickAlone(page) {
  await dropPicture(page, picture);
  await page.mouse.click(...(await at(page, 0.5, 0.5)));
  await suggestions(page).first().waitFor();
  return page.locator(".status-line").innerText();
}

const isolated = await withPage(site, DENSE, annotate);
const alone = await withPage(site, { isIsolated: false }, clickAlone);
assert.match(alone, /1 thread\b/);
console.log(JSON.stringify({ ...isolated, alone }));
