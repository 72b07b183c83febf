// A visitor of a data set's viewer: filters, an image, its masks, by pointer and by keys.
// Usage: dataset_viewer.mjs SITE OUTPUT [NAME]; prints what was seen, and axe's findings.
import assert from "node:assert/strict";
import { join } from "node:path";
import { findings } from "./axe.mjs";
import { withPage } from "./browser.mjs";

const [siteFolder, output, name = "viewer"] = process.argv.slice(2);
const SCREEN = { width: 1280, height: 800 };

/** The picture's pixels as they are on the screen, a small number for each. */
function pixels(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector(".stage canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + data[i + 1]) % 1e9;
    return sum;
  });
}

/** What was asked for is drawn: a frame is asked for, and the one after it. */
function settled(page) {
  return page.evaluate(
    () => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then))),
  );
}

const options = { isIsolated: false, viewport: SCREEN, reducedMotion: "reduce" };
const seen = await withPage(siteFolder, options, async (page) => {
  const result = { axe: {} };
  await page.locator(".tiles img").first().waitFor();
  result.count = await page.locator("[role=status]").innerText();
  result.tiles = await page.locator(".tiles li").count();
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(output, `${name}-grid-${scheme}.png`) });
    result.axe[`grid, ${scheme}`] = await findings(page);
  }
  await page.emulateMedia({ colorScheme: "light" });

  // Filters
  await page.getByLabel("Masks in the image, from").fill("2");
  result.withTwo = await page.locator("[role=status]").innerText();
  await page.getByRole("button", { name: "Show all" }).click();
  assert.equal(await page.locator("[role=status]").innerText(), result.count);

  // An image
  await page.locator(".tiles a").first().click();
  await page.locator(".mask-list button").first().waitFor();
  await settled(page);
  result.masks = await page.locator(".mask-list button").count();
  const plain = await pixels(page);
  result.facts = await page.locator(".facts").innerText();

  // A mask by keys, its facts, and by a click on it again
  await page.keyboard.press("ArrowDown");
  await page.locator(".mask-list [aria-current]").waitFor();
  await settled(page);
  assert.notEqual(await pixels(page), plain, "a selected mask is to be seen");
  result.selected = await page.locator(".facts").innerText();
  assert.match(new URL(page.url()).hash, /^#image=0&mask=\d+$/);
  await page.keyboard.press("Escape");
  await page.locator(".mask-list [aria-current]").waitFor({ state: "detached" });
  await settled(page);
  assert.equal(await pixels(page), plain, "nothing is selected any more");

  const { x, y, width, height } = await page.locator(".stage canvas").boundingBox();
  for (const share of [0.5, 0.4, 0.6, 0.3, 0.7]) {
    await page.mouse.click(x + width * share, y + height / 2);
    await settled(page);
    if (new URL(page.url()).hash.includes("mask=")) break;
  }
  assert.match(new URL(page.url()).hash, /mask=\d+$/, "a click picks a mask");
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await settled(page);
    await page.screenshot({ path: join(output, `${name}-image-${scheme}.png`) });
    result.axe[`image, ${scheme}`] = await findings(page);
  }

  // Opacity and outlines change the picture
  const before = await pixels(page);
  await page.getByLabel("Opacity").fill("0");
  await settled(page);
  assert.notEqual(await pixels(page), before);

  // On to the next image and back to the grid, where its tile has the focus
  await page.locator(".stage canvas").focus();
  await page.keyboard.press("ArrowRight");
  // The page follows the address a moment later.
  await page.getByText(/^2 of /).waitFor();
  assert.equal(new URL(page.url()).hash, "#image=1");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => location.hash === "");
  result.focused = await page.evaluate(() => document.activeElement?.getAttribute("href"));

  // The statistics
  await page.getByRole("link", { name: "Statistics" }).click();
  result.figures = await page.locator("figure img").count();
  result.drawn = await page
    .locator("figure img")
    .evaluateAll((images) => images.filter((image) => image.naturalWidth > 0).length);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: join(output, `${name}-statistics-${scheme}.png`) });
    result.axe[`statistics, ${scheme}`] = await findings(page);
  }
  return result;
});
console.log(JSON.stringify(seen));
