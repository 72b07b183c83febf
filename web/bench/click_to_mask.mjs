// From a click to the frame that shows its mask, over 100 clicks in headless Chromium.
//
//   node bench/click_to_mask.mjs SITE PICTURE [--clicks 100] [--json]
//
// With threads (an isolated page) and without. Clicks begin objects at random places; preview is off.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { dropPicture, withPage } from "../e2e/browser.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clicks: { type: "string", default: "100" },
    json: { type: "boolean", default: false },
  },
});
const [site, picture] = positionals;
const WARM_UP = 10;

async function measure(page, browser) {
  await dropPicture(page, picture);
  const status = await page.locator(".status-line").innerText();
  await page.getByLabel("Preview").uncheck();
  const box = await page.locator("canvas.stage").boundingBox();
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647; // Park and Miller
  const times = [];
  for (let i = 0; i < WARM_UP + Number(values.clicks); i++) {
    await page.evaluate(() => performance.clearMeasures());
    await page.mouse.click(
      box.x + box.width * (0.2 + 0.6 * random()),
      box.y + box.height * (0.25 + 0.5 * random()),
    );
    const measured = await page.waitForFunction(
      () => performance.getEntriesByType("measure")[0]?.duration,
    );
    if (i >= WARM_UP) times.push(await measured.jsonValue());
    await page.locator("canvas.stage").press("Escape");
  }
  times.sort((a, b) => a - b);
  const quantile = (q) => Math.round(10 * times[Math.floor(q * (times.length - 1))]) / 10;
  return {
    status: status.split("\n")[1],
    p50_ms: quantile(0.5),
    p95_ms: quantile(0.95),
    least_ms: quantile(0),
    clicks: times.length,
    chromium: browser.version(),
  };
}

const runs = [];
for (const isIsolated of [true, false])
  runs.push(await withPage(site, { isIsolated, viewport: { width: 1360, height: 850 } }, measure));
if (values.json)
  console.log(JSON.stringify({ processor: cpus()[0].model, load: loadavg()[0], runs }));
else
  for (const run of runs)
    console.log(
      `${run.status}: p50 ${run.p50_ms} ms, p95 ${run.p95_ms} ms, least ${run.least_ms} ms`,
    );
