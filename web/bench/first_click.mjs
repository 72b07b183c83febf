// The first click on an image that the server has prepared: from the frame that shows the image to
// the frame that shows the mask, in headless Chromium.
//
//   node bench/first_click.mjs URL ADMIN_PASSWORD [--rounds 5] [--json]
//
// The server has the project of sample photos, whose embeddings are there. Each round is a new
// browser profile that logs in, looks at the list for two seconds and opens one photo after the
// other; the first of them still finds the decoder being compiled where that takes longer.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { ask, visitAs } from "../e2e/server_page.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
});
const [url, password] = positionals;
const PAUSE_MS = 2000;

/** Milliseconds from the image to its mask; the click comes at once. */
async function firstClick(page, image) {
  await page.evaluate(() => {
    performance.clearMeasures();
    globalThis.shownAt = null;
    const look = () => {
      const canvas = document.querySelector("canvas.stage");
      const isDrawn = canvas && canvas.width > 1;
      if (isDrawn) requestAnimationFrame((time) => (globalThis.shownAt = time));
      else requestAnimationFrame(look);
    };
    look();
  });
  await page.evaluate((id) => (location.hash = `/projects/1/work/${id}`), image);
  await page.waitForFunction(() => globalThis.shownAt);
  const box = await page.locator("canvas.stage").boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  const time = await page.waitForFunction(() => {
    const [entry] = performance.getEntriesByName("anymask:click-to-mask");
    return entry && entry.startTime + entry.duration - globalThis.shownAt;
  });
  await page.keyboard.press("Escape");
  await page.evaluate(() => (location.hash = "/projects/1"));
  await page.locator(".image").first().waitFor();
  return time.jsonValue();
}

const firsts = [];
const others = [];
const options = { name: "admin", password, viewport: { width: 1360, height: 850 } };
for (let round = 0; round < Number(values.rounds); round++)
  await visitAs(url, options, async (page) => {
    const images = (await ask(page, "GET", "projects/1/images")).body.map(({ id }) => id);
    for (const id of images) await page.evaluate((i) => fetch(`/api/images/${i}/embedding`), id);
    await page.evaluate(() => (location.hash = "/projects/1"));
    await page.locator(".image").first().waitFor();
    await page.waitForTimeout(PAUSE_MS);
    const [first, ...rest] = images;
    firsts.push(await firstClick(page, first));
    for (const id of rest) others.push(await firstClick(page, id));
  });

const summary = (times) => {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.ceil(share * (sorted.length - 1))]);
  return { p50_ms: at(0.5), most_ms: at(1), clicks: sorted.length };
};
const result = { first_of_a_page: summary(firsts), later_ones: summary(others) };
if (values.json)
  console.log(JSON.stringify({ processor: cpus()[0].model, load: loadavg()[0], ...result }));
else
  for (const [name, { p50_ms, most_ms, clicks }] of Object.entries(result))
    console.log(`${name}: p50 ${p50_ms} ms, at most ${most_ms} ms, of ${clicks}`);
