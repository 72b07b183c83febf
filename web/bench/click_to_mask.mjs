// From a click to the frame that shows its mask, over 100 clicks in headless Chromium.
//
//   node bench/click_to_mask.mjs SITE PICTURE [--clicks 100] [--press 80] [--reference GRAPHS_DIR] [--json]
//
// With threads (an isolated page) and without. Clicks begin objects at random places, with preview
// off, at once and with the button down for --press milliseconds, and, apart, where the pointer has rested and the preview is seen. GRAPHS_DIR is what benchmarks/browser/reference_decoders.py wrote: the reference's decoders
// then answer the same clicks in the same page, in turns with the studio, in a worker of their own
// with as many threads; the page paints the best mask on a canvas.
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dropPicture, withPage } from "../e2e/browser.mjs";
import { at, pictureSize } from "../e2e/studio_page.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clicks: { type: "string", default: "100" },
    press: { type: "string", default: "80" },
    reference: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [site, picture] = positionals;
const WARM_UP = 10;
const REST_MS = 250; // shorter than people take between seeing and clicking
const pressed = `studio, the button down for ${values.press} ms`;
const decoders = values.reference
  ? JSON.parse(readFileSync(join(values.reference, "decoders.json"), "utf8"))
  : [];
const folders = {
  "/bench/": import.meta.dirname,
  "/node_modules/": join(import.meta.dirname, "../node_modules"),
  ...(values.reference && { "/graphs/": values.reference }),
};

/** Start a worker with a decoder of the reference, and a canvas for its masks. */
function startReference([decoder, threads]) {
  const worker = new Worker("/bench/reference_worker.mjs", { type: "module" });
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.style = "position: fixed; inset: 60px auto auto 70px; pointer-events: none; opacity: 0.5";
  const times = (window.references ??= {});
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = () => {
      times[decoder.file] = (click) =>
        new Promise((done) => {
          const start = performance.now();
          worker.onmessage = ({ data: { pixels, decodeMs } }) => {
            Object.assign(canvas, { width: click.width, height: click.height });
            const bytes = new Uint8ClampedArray(pixels);
            const image = new ImageData(bytes, click.width, click.height);
            canvas.getContext("2d").putImageData(image, 0, 0);
            requestAnimationFrame(() => {
              const { port1, port2 } = new MessageChannel();
              port1.onmessage = () => {
                done({ ms: performance.now() - start, decodeMs });
                canvas.width = 0;
              };
              port2.postMessage(null);
            });
          };
          worker.postMessage({ kind: "click", ...click });
        });
      resolve();
    };
    worker.postMessage({ kind: "load", url: `/graphs/${decoder.file}`, threads, ...decoder });
  });
}

async function clickStudio(page, x, y, pressMs = 0) {
  await page.evaluate(() => performance.clearMeasures());
  await page.mouse.click(...(await at(page, x, y)), { delay: pressMs });
  const measured = await page.waitForFunction(
    () => performance.getEntriesByType("measure")[0]?.duration,
  );
  await page.locator("canvas.stage").press("Escape");
  return measured.jsonValue();
}

const setPreview = async (page, isOn) => {
  await page.getByRole("button", { name: "Display" }).click();
  await page.getByLabel("Preview").setChecked(isOn);
  await page.keyboard.press("Escape");
};

async function measure(page, browser) {
  await dropPicture(page, picture);
  const status = await page.locator(".status-line").innerText();
  const threads = Number(/(\d+) threads?/.exec(status)[1]);
  await setPreview(page, false);
  const size = await pictureSize(page);
  for (const decoder of decoders) await page.evaluate(startReference, [decoder, threads]);
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647; // Park and Miller
  const times = { studio: [] };
  const note = (name, i, ms) => i >= WARM_UP && (times[name] ??= []).push(ms);
  for (let i = 0; i < WARM_UP + Number(values.clicks); i++) {
    const [x, y] = [0.15 + 0.7 * random(), 0.15 + 0.7 * random()];
    note("studio", i, await clickStudio(page, x, y));
    note(pressed, i, await clickStudio(page, y, x, Number(values.press)));
    for (const { file, grid_size } of decoders) {
      const click = { x: x * size.width, y: y * size.height, ...size };
      const { ms, decodeMs } = await page.evaluate(
        ([name, given]) => window.references[name](given),
        [file, click],
      );
      note(`reference, grid of ${grid_size}`, i, ms);
      note(`reference, grid of ${grid_size}, decoder alone`, i, decodeMs);
    }
  }
  await setPreview(page, true);
  for (let i = 0; i < WARM_UP + Number(values.clicks); i++) {
    const [x, y] = [0.15 + 0.7 * random(), 0.15 + 0.7 * random()];
    await page.mouse.move(...(await at(page, x, y)));
    await page.waitForTimeout(REST_MS);
    note("studio, after a rest", i, await clickStudio(page, x, y));
  }
  return { threads, chromium: browser.version(), times: summaries(times) };
}

function summaries(times) {
  const [base] = [quantiles(times.studio)];
  return Object.fromEntries(
    Object.entries(times).map(([name, all]) => {
      const figures = quantiles(all);
      return [name, { ...figures, times_the_studio: round(figures.p50_ms / base.p50_ms) }];
    }),
  );
}

const round = (number) => Math.round(10 * number) / 10;

function quantiles(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const quantile = (q) => round(sorted[Math.floor(q * (sorted.length - 1))]);
  return { p50_ms: quantile(0.5), p95_ms: quantile(0.95), least_ms: quantile(0) };
}

const runs = [];
for (const isIsolated of [true, false]) {
  const options = { isIsolated, folders, viewport: { width: 1360, height: 850 } };
  runs.push(await withPage(site, options, measure));
}
if (values.json)
  console.log(JSON.stringify({ processor: cpus()[0].model, load: loadavg()[0], runs }));
else
  for (const { threads, times } of runs)
    for (const [name, figures] of Object.entries(times))
      console.log(
        `${threads} thread(s), ${name}: p50 ${figures.p50_ms} ms, p95 ${figures.p95_ms} ms, ` +
          `least ${figures.least_ms} ms, ${figures.times_the_studio} x the studio's`,
      );
