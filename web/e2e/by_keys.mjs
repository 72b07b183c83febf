// What an annotator does, with the keyboard alone, in headless Chromium.
//
//   node e2e/by_keys.mjs SITE PICTURE OUTPUT
//
// OUTPUT gets the exported COCO JSON. Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { dropPicture, painted, waitUntilReady, withPage } from "./browser.mjs";
import { area, objectNames, suggestions } from "./studio_page.mjs";

const [site, picture, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

const times = (number, key) => Array.from({ length: number }, () => key);

/** Goes on with Tab until the element of this name has the focus. */
async function tabTo(page, name) {
  for (let i = 0; i < 60; i++) {
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      const outline = getComputedStyle(element).outlineStyle;
      return { name: element.getAttribute("aria-label") ?? element.textContent.trim(), outline };
    });
    if (focused.name.startsWith(name)) {
      assert.notEqual(focused.outline, "none", `the focus on "${name}" is to be seen`);
      return;
    }
    await press(page, "Tab");
  }
  assert.fail(`Tab does not reach "${name}"`);
}

const said = (page, text) => page.locator("[role=log]", { hasText: text }).waitFor();

async function annotate(page) {
  await dropPicture(page, picture); // choosing a file is the system's own window
  await tabTo(page, "coffee.png");

  // a click, one that removes, the second suggestion
  await press(page, ...times(3, "ArrowUp"), ".");
  await suggestions(page).first().waitFor();
  await area(page);
  await press(page, ...times(4, "Shift+ArrowLeft"), ...times(3, "Shift+ArrowDown"), ",");
  await area(page);
  await press(page, "2");
  await page.locator('.suggestion:nth-child(2)[aria-pressed="true"]').waitFor();

  // a stroke along the cross, undone and done again
  const before = await area(page);
  await press(page, "b", ...times(2, "Shift+ArrowDown"), "x", ...times(6, "ArrowRight"), "x");
  const brushed = await area(page);
  assert.notEqual(brushed, before, "the brush changes the mask");
  await press(page, "Control+z");
  assert.equal(await area(page), before);
  await press(page, "Control+Shift+z");
  assert.equal(await area(page), brushed);
  await press(page, "Enter");
  await said(page, "Object kept, 1 object now.");

  // named, refined by the eraser
  await press(page, "F2");
  await page.keyboard.type("cup");
  await press(page, "Enter");
  assert.deepEqual(await objectNames(page), ["cup"]);
  await page.locator("canvas.stage").focus();

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
  await page.locator("canvas.stage").focus();
  await press(page, "c", "Shift+X", "PageUp", "h");
  await said(page, "Object 2 hidden.");
  await press(page, "h", "l");
  await said(page, "Object 2 locked.");
  await press(page, "l");

  // a key of one's own, kept over a reload
  await press(page, "?");
  await tabTo(page, "Polygon and lasso: P.");
  await press(page, "Enter", "b");
  await page.getByText("B is “Brush”").waitFor();
  await press(page, "q");
  await tabTo(page, "Close");
  await press(page, "Enter");
  await painted(page);
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
