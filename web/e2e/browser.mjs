// Chromium and a written site, for the scripts of this folder.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { chromium } from "playwright-core";
import { serveSite } from "./site_server.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Runs `visit(page)` on a fresh page of the written site; errors in the page are errors here. */
export async function withPage(siteFolder, options, visit) {
  const { isIsolated = true, folders, ...context } = options;
  const site = await serveSite(siteFolder, { isIsolated, folders });
  try {
    return await visitPage(site.url, context, visit);
  } finally {
    site.close();
  }
}

/** Runs `visit(page)` on a fresh page at an address; errors in the page are errors here. */
export async function visitPage(url, { isExpected = () => false, ...context }, visit) {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is no browser. Set CHROMIUM to one.`);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  try {
    const page = await (await browser.newContext({ acceptDownloads: true, ...context })).newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.stack));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(url);
    const result = await visit(page, browser);
    const unexpected = errors.filter((error) => !isExpected(String(error)));
    if (unexpected.length) throw new Error(`The page had errors: ${unexpected.join("; ")}`);
    return result;
  } finally {
    await browser.close();
  }
}

/** Drops a file on the start screen and waits until clicks are answered. */
export async function dropPicture(page, path) {
  await page.locator(".drop-zone:enabled").waitFor({ timeout: 120_000 });
  const data = readFileSync(path).toString("base64");
  const transfer = await page.evaluateHandle(
    ([base64, name]) => {
      const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const made = new DataTransfer();
      made.items.add(new File([bytes], name, { type: "image/png" }));
      return made;
    },
    [data, basename(path)],
  );
  await page.dispatchEvent("main.start", "drop", { dataTransfer: transfer });
  await waitUntilReady(page);
}

export async function waitUntilReady(page) {
  await page.locator("[role=status]", { hasText: "Ready" }).waitFor({ timeout: 120_000 });
}
