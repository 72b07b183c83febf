// Times decoder graphs in headless Chromium (WebAssembly, SIMD), side by side in one page.
//
//   node bench.mjs GRAPHS_DIR [--threads 1,2] [--warm-up 40] [--runs 30] [--json]
//
// GRAPHS_DIR is what make_graphs.py wrote: ONNX files and graphs.json, the baseline first.
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus } from "node:os";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const HERE = import.meta.dirname;
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1,2" },
    "warm-up": { type: "string", default: "40" },
    runs: { type: "string", default: "30" },
    chromium: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("Usage: node bench.mjs GRAPHS_DIR [--threads 1,2] [--warm-up 40] [--runs 30] [--json]");
  process.exit(2);
}
const graphsFolder = positionals[0];
const graphs = JSON.parse(readFileSync(join(graphsFolder, "graphs.json"), "utf8"));

/** A static server; its headers isolate the page, without which there are no threads. */
function serve() {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    const file = path.startsWith("/graphs/")
      ? join(graphsFolder, path.slice("/graphs/".length))
      : join(HERE, path);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    });
    return createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const median = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];

function summary({ name, loadMs, times }, baseline) {
  const ratios = times.map((ms, i) => baseline.times[i] / ms);
  return {
    name,
    load_ms: loadMs,
    median_ms: median(times),
    min_ms: Math.min(...times),
    max_ms: Math.max(...times),
    times_faster: median(ratios),
  };
}

const server = await serve();
const browser = await chromium.launch({ executablePath: options.chromium, args: ["--no-sandbox"] });
const reports = [];
try {
  for (const threads of options.threads.split(",").map(Number)) {
    const page = await browser.newPage();
    page.on("pageerror", (error) => console.error(error));
    await page.goto(`http://127.0.0.1:${server.address().port}/page.html`);
    await page.waitForFunction(() => "bench" in window);
    const [warmUp, runs] = [Number(options["warm-up"]), Number(options.runs)];
    const measured = await page.evaluate((request) => window.bench(request), {
      graphs,
      threads,
      warmUp,
      runs,
    });
    reports.push({
      threads,
      warm_up: warmUp,
      runs,
      cross_origin_isolated: measured.crossOriginIsolated,
      onnxruntime_web: measured.ort,
      chromium: browser.version(),
      processor: cpus()[0].model,
      graphs: measured.results.map((result) => summary(result, measured.results[0])),
    });
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}

if (options.json) console.log(JSON.stringify(reports, null, 2));
else
  for (const report of reports) {
    console.log(
      `${report.threads} thread(s), onnxruntime-web ${report.onnxruntime_web}, ` +
        `Chromium ${report.chromium}, ${report.processor}; medians of ${report.runs} after ${report.warm_up}`,
    );
    for (const g of report.graphs)
      console.log(
        `  ${g.name.padEnd(44)} ${g.median_ms.toFixed(1).padStart(7)} ms ` +
          `(${g.min_ms.toFixed(1)} to ${g.max_ms.toFixed(1)})  ${g.times_faster.toFixed(2)}x  load ${g.load_ms.toFixed(0)} ms`,
      );
  }
