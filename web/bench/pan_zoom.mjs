// Panning, zooming and editing a large picture with hundreds of masks, in headless Chromium.
//
//   node bench/pan_zoom.mjs SITE [--masks 300] [--width 4000] [--height 3000] [--seconds 6] [--json]
//
// The picture and its masks are drawn by the script. Frame times are those between the frames that
// Chromium's own tracing says were drawn; a frame is late when it comes after more than 16.7 ms and
// a quarter, which is the tracing's and the clock's tremble. Memory is that of all its processes.
import { readFileSync, readdirSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { dropPicture, withPage } from "../e2e/browser.mjs";
import { masksFile, paintPicture } from "./large_picture.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    masks: { type: "string", default: "300" },
    width: { type: "string", default: "4000" },
    height: { type: "string", default: "3000" },
    seconds: { type: "string", default: "6" },
    json: { type: "boolean", default: false },
  },
});
const [numMasks, width, height, seconds] = [
  values.masks,
  values.width,
  values.height,
  values.seconds,
].map(Number);
const FRAME_MS = 1000 / 60;
const CATEGORIES = "devtools.timeline.frame,disabled-by-default-devtools.timeline.frame,benchmark";

/** Runs `act` while Chromium traces, and returns the events. */
async function traced(page, act) {
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: CATEGORIES.split(",") },
  });
  await act(session);
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await complete;
  await session.detach();
  return events;
}

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const quantile = (numbers, q) =>
  Math.round(10 * (sorted(numbers)[Math.floor(q * (numbers.length - 1))] ?? NaN)) / 10;

/** Times between drawn frames, in milliseconds. */
function frames(events) {
  const drawn = sorted(
    events.filter(({ name }) => name === "DrawFrame").map(({ ts }) => ts / 1000),
  );
  const times = drawn.slice(1).map((time, i) => time - drawn[i]);
  return {
    frames: times.length,
    p50_ms: quantile(times, 0.5),
    p95_ms: quantile(times, 0.95),
    most_ms: quantile(times, 1),
    in_time:
      Math.round((1000 * times.filter((ms) => ms <= 1.25 * FRAME_MS).length) / times.length) / 1000,
    dropped: events.filter(({ name }) => name === "DroppedFrame").length,
  };
}

/** Moves of the mouse at the rate of the screen. */
async function moves(session, at, button) {
  const started = performance.now();
  for (let i = 0; performance.now() - started < 1000 * seconds; i++) {
    const [x, y] = at(i);
    void session.send("Input.dispatchMouseEvent", {
      type: "mouseMoved",
      x,
      y,
      buttons: button ? 4 : 0,
      ...(button && { button }),
    });
    const due = started + (i + 1) * FRAME_MS;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
  }
}

/** The middle button held, round and round. */
async function panning(page, session, middle, radius) {
  const place = (i) => [
    middle[0] + radius * Math.sin(i / 25),
    middle[1] + radius * Math.sin(i / 17),
  ];
  await page.mouse.move(...middle);
  await page.mouse.down({ button: "middle" });
  await moves(session, place, "middle");
  await page.mouse.up({ button: "middle" });
}

/** The wheel, in and out again. */
async function zooming(session, [x, y]) {
  const started = performance.now();
  for (let i = 0; performance.now() - started < 1000 * seconds; i++) {
    const deltaY = i % 120 < 60 ? -30 : 30;
    void session.send("Input.dispatchMouseEvent", { type: "mouseWheel", x, y, deltaX: 0, deltaY });
    const due = started + (i + 1) * FRAME_MS;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
  }
}

/** From key presses to the ends of the frames after them. */
async function editTimes(page, keys) {
  const times = [];
  for (const key of keys) {
    await page.evaluate(() => {
      window.shownAfter = new Promise((resolve) =>
        addEventListener(
          "keydown",
          ({ timeStamp }) =>
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - timeStamp))),
          { once: true, capture: true },
        ),
      );
    });
    await page.keyboard.press(key);
    times.push(await page.evaluate(() => window.shownAfter));
  }
  return {
    p50_ms: quantile(times, 0.5),
    p95_ms: quantile(times, 0.95),
    most_ms: quantile(times, 1),
  };
}

/** Proportional memory of the browser's processes, in MiB. */
function processMemory() {
  const isOurs = (pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return command.includes("--headless") || command.includes("--type=");
    } catch {
      return false;
    }
  };
  const kib = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isOurs(name))
    .map((pid) => {
      try {
        return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]);
      } catch {
        return 0; // gone meanwhile
      }
    });
  return Math.round(kib.reduce((sum, each) => sum + each, 0) / 1024);
}

async function measure(page, browser) {
  const picture = await paintPicture(page, width, height);
  await dropPicture(page, picture);
  const opened = performance.now();
  await page.getByLabel("File with masks").setInputFiles({
    name: "masks.json",
    mimeType: "application/json",
    buffer: Buffer.from(masksFile(picture, numMasks, width, height)),
  });
  await page
    .locator(".object")
    .nth(numMasks - 1)
    .waitFor();
  const importMs = Math.round(performance.now() - opened);
  const stage = page.locator("canvas.stage");
  const box = await stage.boundingBox();
  const middle = [box.x + box.width / 2, box.y + box.height / 2];
  const settle = () => page.waitForTimeout(6000); // tiles are painted ahead
  await settle();
  const report = {};
  const trace = async (name, act) => (report[name] = frames(await traced(page, act)));
  await trace("pan, all in sight", (session) => panning(page, session, middle, 40));
  await trace("zoom", (session) => zooming(session, middle));
  await page.keyboard.press("f");
  for (let i = 0; i < 5; i++) await page.keyboard.press("+");
  await settle();
  await trace("pan, close", (session) => panning(page, session, middle, 250));
  await page.keyboard.press("f");
  const selecting = Array.from({ length: 30 }, () => "PageDown");
  report.select = await editTimes(page, selecting);
  await page.keyboard.press("r");
  await page.keyboard.press("b");
  await page.mouse.move(...middle);
  await page.mouse.down();
  await page.mouse.move(middle[0] + 60, middle[1] + 30, { steps: 4 });
  await page.mouse.up();
  report["undo, redo"] = await editTimes(
    page,
    Array.from({ length: 20 }, (_, i) => (i % 2 ? "Control+Shift+z" : "Control+z")),
  );
  report.keep = await editTimes(page, ["Enter"]);
  const [heap] = await page.evaluate(() => [performance.memory.usedJSHeapSize]);
  return {
    masks: numMasks,
    picture: `${width} x ${height}`,
    import_ms: importMs,
    frames: report,
    js_heap_mib: Math.round(heap / 2 ** 20),
    processes_mib: processMemory(),
    chromium: browser.version(),
    processor: cpus()[0].model,
    load: loadavg()[0],
  };
}

const report = await withPage(positionals[0], { viewport: { width: 1360, height: 850 } }, measure);
if (values.json) console.log(JSON.stringify(report));
else {
  for (const [name, figures] of Object.entries(report.frames))
    console.log(
      `${name.padEnd(20)} ${Object.entries(figures)
        .map(([key, value]) => `${key} ${value}`)
        .join(", ")}`,
    );
  console.log(
    `import ${report.import_ms} ms, heap ${report.js_heap_mib} MiB, processes ${report.processes_mib} MiB, load ${report.load}`,
  );
}
