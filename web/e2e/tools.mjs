// Masks from a file, cleaned up, cut, and drawn on with polygons, in headless Chromium.
//
//   node e2e/tools.mjs SITE PICTURE MASKS OUTPUT
//
// OUTPUT gets the exported COCO JSON. Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { join } from "node:path";
import { dropPicture, withPage } from "./browser.mjs";
import { area, at, objectNames } from "./studio_page.mjs";

const [site, picture, masks, output] = process.argv.slice(2);
const [WIDTH, HEIGHT] = [600, 400];

/** Corners of a rectangle, in pixels of the picture. */
async function polygon(page, x0, y0, x1, y1, options) {
  for (const [x, y] of [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ])
    await page.mouse.click(...(await at(page, x / WIDTH, y / HEIGHT)), options);
}

async function work(page) {
  await dropPicture(page, picture);
  const file = page.getByLabel("File with masks");
  await file.setInputFiles({
    name: "other.json",
    mimeType: "application/json",
    buffer: Buffer.from("{}"),
  });
  await page.getByText("must be COCO JSON").waitFor();
  await file.setInputFiles(masks);
  await page.locator(".object").nth(1).waitFor();
  assert.deepEqual(await objectNames(page), ["cup", "cup"]);
  await page.keyboard.press("Control+z");
  assert.deepEqual(await objectNames(page), []);
  await page.keyboard.press("Control+Shift+z");

  // cleaned up, the other one cut out: from the panel
  await page.locator(".object-name").first().click();
  await page.getByRole("button", { name: "Combine with others" }).click();
  await page.getByText("+16 px").waitFor();
  await page.getByText("−9 px").waitFor();
  await page.getByRole("button", { name: "Clean up", exact: true }).click();
  await page.getByText("+0 px").waitFor();
  await page.getByRole("button", { name: "Subtract", exact: true }).click();
  await page.getByText("12,500 px").waitFor();

  // a polygon added, its first point closes it; another one cut out, closed by Enter
  await page.locator("canvas.stage").focus();
  await page.keyboard.press("p");
  await polygon(page, 100, 300, 180, 340);
  await page.mouse.click(...(await at(page, 100 / WIDTH, 300 / HEIGHT)));
  assert.equal(await area(page), 12_500 + 80 * 40);
  await polygon(page, 120, 310, 160, 330, { button: "right" });
  await page.keyboard.press("Enter");
  assert.equal(await area(page), 12_500 + 80 * 40 - 40 * 20);

  // a lasso closes when let go; undone
  await page.mouse.move(...(await at(page, 0.8, 0.7)));
  await page.mouse.down();
  for (const [x, y] of [
    [0.9, 0.7],
    [0.9, 0.9],
    [0.8, 0.9],
  ])
    await page.mouse.move(...(await at(page, x, y)), { steps: 5 });
  await page.mouse.up();
  assert((await area(page)) > 14_900 + 3000, "a lasso adds what it goes around");
  await page.keyboard.press("Control+z");
  assert.equal(await area(page), 14_900);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "COCO" }).click(),
  ]);
  await saved.saveAs(join(output, saved.suggestedFilename()));
}

await withPage(site, { viewport: { width: 1360, height: 850 } }, work);
console.log("{}");
