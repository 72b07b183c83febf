// What an annotator does, in headless Chromium; leaves what was exported and what was shown.
//
//   node e2e/annotate.mjs SITE PICTURE OUTPUT
//
// OUTPUT gets the exported COCO JSON and ZIP, shown.bin (a byte a pixel: 1 where a mask is painted)
// and screenshots. Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dropPicture, waitUntilReady, withPage } from "./browser.mjs";
import { DENSE, area, at, objectNames, shownPixels, stage, suggestions } from "./studio_page.mjs";

const [site, picture, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });

async function download(page, button) {
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button }).click(),
  ]);
  await file.saveAs(join(output, file.suggestedFilename()));
  return file.suggestedFilename();
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
  const brushed = await area(page);
  assert(brushed > before, `the brush adds pixels: ${before} to ${brushed}`);
  await page.keyboard.press("Control+z");
  assert.equal(await area(page), before);
  await page.keyboard.press("Control+Shift+z");
  assert.equal(await area(page), brushed);

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
