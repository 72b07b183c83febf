// What an annotator does, with the keyboard alone, in headless Chromium.
//
//   node e2e/by_keys.mjs SITE PICTURE OUTPUT
//
// OUTPUT gets the exported COCO JSON. Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { dropPicture, waitUntilReady, withPage } from "./browser.mjs";
import { drawCup, press, said, tabTo, times } from "./keyboard.mjs";
import { area, objectNames, suggestions } from "./studio_page.mjs";

const [site, picture, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });

async function annotate(page) {
  await dropPicture(page, picture); // choosing a file is the system's own window
  await tabTo(page, "coffee.png");

  await drawCup(page);

  // a box by two corners
  await press(page, "Escape", "s", ...times(5, "Shift+ArrowRight"), "x");
  await press(page, ...times(2, "Shift+ArrowRight"), ...times(2, "Shift+ArrowUp"), "x");
  await suggestions(page).first().waitFor();
  await press(page, "n");
  await said(page, "Object kept, 2 objects now.");

  // a polygon by its points; one point too many is taken back
  await press(page, "Escape", "p", ".", ...times(2, "Shift+ArrowRight"), ".");
  await press(page, ...times(2, "Shift+ArrowDown"), ".", "Shift+ArrowLeft", ".", "Control+z");
  await press(page, "Enter");
  const triangle = await area(page);
  assert(triangle > 100, `a polygon has pixels: ${triangle}`);

  // cut out of the one before, cleaned up
  await press(page, "Enter", "c");
  await tabTo(page, "Cut them out");
  await press(page, "c", "Shift+X", "PageUp", "h");
  await said(page, "Object 2 hidden.");
  await press(page, "h", "l");
  await said(page, "Object 2 locked.");
  await press(page, "l", "Alt+ArrowUp");
  await said(page, "Moved to place 1 of 3 objects.");
  assert.deepEqual(await objectNames(page), ["Object 1", "cup", "Object 3"]);
  await press(page, "Alt+ArrowDown");
  assert.deepEqual(await objectNames(page), ["cup", "Object 2", "Object 3"]);

  // a key of one's own, kept over a reload
  await press(page, "?");
  await tabTo(page, "Polygon and lasso: P.");
  await press(page, "Enter", "b");
  await page.getByText("B is “Brush”").waitFor();
  await press(page, "q");
  await tabTo(page, "Close");
  await press(page, "Enter");
  await page.getByText("Kept in this browser").waitFor();
  await page.reload();
  await page.locator(".object").first().waitFor({ timeout: 120_000 });
  await waitUntilReady(page);
  await press(page, "q");
  await page.locator('[aria-label="Polygon and lasso"][aria-pressed="true"]').waitFor();

  await tabTo(page, "COCO");
  const [file] = await Promise.all([page.waitForEvent("download"), press(page, "Enter")]);
  await file.saveAs(join(output, file.suggestedFilename()));
  return { objects: await objectNames(page), triangle };
}

console.log(JSON.stringify(await withPage(site, {}, annotate)));
