// What goes wrong between a page and its server, in headless Chromium: nothing may be lost or doubled.
//
//   node e2e/server_troubles.mjs URL ADMIN_PASSWORD OUTPUT
//
// The server has the project of sample photos. OUTPUT gets screenshots. Prints as JSON how far the
// page's logits are from the server's. Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findings } from "./axe.mjs";
import { waitUntilReady } from "./browser.mjs";
import { ask, openAt, visitAs, waitUntilSaved } from "./server_page.mjs";
import { answered, area, at, objectNames, suggestions } from "./studio_page.mjs";

const [url, password, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });
const admin = { name: "admin", password, viewport: { width: 1360, height: 850 } };
const SAVES = "**/api/annotations/**";

/** The masks that the server has of an image, as it lists them. */
const stored = async (page, image) => (await ask(page, "GET", `images/${image}/annotations`)).body;
const versions = async (page, image) =>
  (await stored(page, image)).map(({ name, version }) => [name, version]);

async function addObject(page, x, y) {
  await page.keyboard.press("s");
  await page.mouse.click(...(await at(page, x, y)));
  await suggestions(page).first().waitFor();
  await page.keyboard.press("n");
}

async function rename(page, name) {
  await page.keyboard.press("F2");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
}

async function inBothColours(page, name) {
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300); // colours change slowly
    await page.screenshot({ path: join(output, `${name}-${colorScheme}.png`) });
    assert.deepEqual(await findings(page), []);
  }
}

async function select(page, place) {
  await page.keyboard.press("Escape"); // a click on what is selected would let go of it
  await page.locator(".object-name").nth(place).click();
}

const says = (page, text) => page.locator(".status-line", { hasText: text }).waitFor();

/** The page is killed right after a click: the next one tells the server of it. */
async function killPage(page) {
  const dying = await page.context().newPage();
  await dying.goto(`${url}#/projects/1/work/3`);
  await waitUntilReady(dying);
  await dying.mouse.click(...(await at(dying, 0.5, 0.5)));
  await suggestions(dying).first().waitFor();
  const debug = await page.context().newCDPSession(dying);
  debug.send("Page.crash").catch(() => {}); // nobody is left to answer
  await dying.waitForEvent("crash");
  await dying.close();

  await page.evaluate(() => (location.hash = "/projects/1/work/3"));
  await area(page); // the object in hand was kept
  await page.keyboard.press("Enter");
  await waitUntilSaved(page);
  await page.getByRole("button", { name: "Other pictures" }).click();
  await page.locator(".image").first().waitFor();
  const clicks = async () =>
    (await ask(page, "GET", "projects/1/statistics")).body.overall?.mean_clicks;
  for (let i = 0; i < 50 && (await clicks()) !== 1; i++) await page.waitForTimeout(100);
  assert.equal(await clicks(), 1, "the server has heard of the click, once");
}

/** Offline, a lost answer, a reload with unsaved work: all arrives, once. */
async function loseConnections(page) {
  await openAt(page, "/projects/1/work/1");
  await page.context().setOffline(true);
  await addObject(page, 0.45, 0.4);
  await says(page, "Offline: 1 change kept in this browser");
  await page.screenshot({ path: join(output, "offline.png") });
  await page.context().setOffline(false);
  await waitUntilSaved(page);
  assert.deepEqual(await versions(page, 1), [["", 1]]);

  // the server saves, the answer is lost
  await page.route(SAVES, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await rename(page, "cup");
  await says(page, "Offline");
  await page.unroute(SAVES);
  await waitUntilSaved(page);
  assert.deepEqual(await versions(page, 1), [["cup", 2]]);

  // the image is left before anything is sent; the list tells of it
  await page.route(SAVES, (route) => route.abort());
  await rename(page, "mug");
  await says(page, "Offline");
  await page.getByRole("button", { name: "Other pictures" }).click();
  await page.getByText("Not saved yet").waitFor();
  await page.unroute(SAVES);
  await page.locator(".unsaved").getByRole("link", { name: "coffee.png" }).click();
  await waitUntilReady(page);
  await waitUntilSaved(page);
  assert.deepEqual(await versions(page, 1), [["mug", 3]]);
  await select(page, 0);
  await rename(page, "cup");
  await waitUntilSaved(page);

  // the page dies before anything is sent
  await page.route(SAVES, (route) => route.abort());
  await addObject(page, 0.2, 0.2);
  await says(page, "Offline");
  await page.unroute(SAVES);
  await page.reload();
  await waitUntilReady(page);
  await waitUntilSaved(page);
  assert.deepEqual(await objectNames(page), ["cup", "Object 2"]);
  assert.deepEqual(await versions(page, 1), [
    ["cup", 4],
    ["", 1],
  ]);

  // the page dies after the server saved and before it heard of that; deleted work comes back as new
  await page.route(SAVES, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await select(page, 1);
  await page.keyboard.press("Delete");
  await says(page, "Offline");
  await page.unroute(SAVES);
  await page.reload();
  await waitUntilReady(page);
  await waitUntilSaved(page);
  assert.deepEqual(await objectNames(page), ["cup"]);
  await select(page, 0);
  await page.keyboard.press("Delete");
  await waitUntilSaved(page);
  assert.deepEqual(await versions(page, 1), []);
  await page.keyboard.press("Control+z");
  await waitUntilSaved(page);
  assert.deepEqual(await versions(page, 1), [["cup", 1]]);
}

/** The same object changed here and elsewhere: each choice does what it says. */
async function conflict(page, choice, expected) {
  const [mask] = await stored(page, 1);
  const { width, height } = (await ask(page, "GET", "images/1")).body;
  // A square in the corner, as run lengths.
  const counts = Array.from({ length: 50 }, (_, i) => [i ? height - 50 : 0, 50]).flat();
  counts.push(height * (width - 50) + height - 50);
  const { version, name, position } = mask;
  const body = { image_id: 1, version, name: `${name} elsewhere`, position };
  const segmentation = { size: [height, width], counts };
  const saved = await ask(page, "PUT", `annotations/${mask.id}`, { ...body, segmentation });
  assert.equal(saved.status, 200);
  await select(page, 0);
  await rename(page, `${name} here`);
  await page.getByText("This object was changed elsewhere, too").waitFor();
  if (choice === "Keep mine") await inBothColours(page, "conflict");
  await page.getByRole("button", { name: choice }).click();
  await waitUntilSaved(page);
  const names = (await stored(page, 1)).map((one) => one.name);
  assert.deepEqual(names, expected);
  assert.deepEqual(await objectNames(page), expected);
  const { annotations } = (await ask(page, "PUT", "images/1/lease")).body;
  assert.equal(annotations.length, expected.length);
}

/** Another person takes the image: nothing can be changed, until it is free again. */
async function loseLease(page, browser) {
  const made = await ask(page, "POST", "invitations", { role: "annotator", project_ids: [1] });
  const other = await (await browser.newContext()).newPage();
  await other.goto(`${url}#/invitation/${made.body.secret}`);
  await other.getByLabel("Name").fill("amy");
  await other.getByLabel("Password").fill("a long password");
  await other.getByRole("button", { name: "Accept the invitation" }).click();
  await other.getByRole("heading", { name: "Projects" }).waitFor();
  const before = await versions(page, 1);
  assert.equal((await ask(page, "DELETE", "images/1/lease")).status, 204);
  assert.equal((await ask(other, "PUT", "images/1/lease")).status, 200);

  await select(page, 0);
  await rename(page, "mine all the same");
  await page.getByText("This image is not yours any more").waitFor();
  await page.screenshot({ path: join(output, "lost-lease.png") });
  await page.mouse.click(...(await at(page, 0.9, 0.9)));
  await page.waitForTimeout(300);
  assert.equal(await suggestions(page).count(), 0);
  assert.deepEqual(await versions(page, 1), before);

  assert.equal((await ask(other, "DELETE", "images/1/lease")).status, 204);
  await page.getByRole("button", { name: "Take it again" }).click();
  await waitUntilReady(page);
  await waitUntilSaved(page);
  assert.equal((await stored(page, 1))[0].name, "mine all the same");
}

/** The largest difference between the page's logits and the server's, over clicks and boxes. */
function logitsApart(page) {
  return page.evaluate(async () => {
    const model = await (await fetch("/api/model")).json();
    const { width, height } = await (await fetch("/api/images/1")).json();
    const { csrf_token } = await (await fetch("/api/session")).json();
    const scripts = performance.getEntriesByType("resource").map(({ name }) => name);
    const worker = new Worker(
      scripts.find((name) => /worker-[^/]*\.js$/.test(name)),
      { type: "module" },
    );
    const asked = (request) =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => {
          if (data.kind === "failed") reject(new Error(data.message));
          else if (data.kind !== "loading") resolve(data);
        };
        worker.postMessage(request);
      });
    const decoderUrl = new URL(`/api/model/decoder?key=${model.decoder_key}`, location.href).href;
    await asked({ kind: "load", source: { description: model, decoderUrl } });
    const embeddingUrl = new URL("/api/images/1/embedding", location.href).href;
    const prepared = { imageId: 1, embeddingUrl, originalSize: [height, width] };
    await asked({ kind: "fetch", id: 1, prepared });
    let apart = 0;
    for (let i = 0; i < 8; i++) {
      const clicks = [{ x: 50 + 60 * i, y: 40 + 40 * i, label: 1 }];
      if (i % 3 === 1) clicks.push({ x: 10, y: 380, label: 0 });
      const box = i % 3 === 2 ? [100, 50 + i, 400, 350] : null;
      const prompt = { clicks: box ? [] : clicks, box, maskInput: null };
      const { answer } = await asked({ kind: "decode", id: 2 + i, prompt });
      const response = await fetch("/api/images/1/masks", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf_token },
        body: JSON.stringify({
          point_coords: prompt.clicks.map(({ x, y }) => [x, y]),
          point_labels: prompt.clicks.map(({ label }) => label),
          box,
        }),
      });
      const { masks } = await response.json();
      const first = masks.length === 1 ? 0 : 1; // the single mask is the page's first
      masks.forEach(({ low_res_logits, predicted_iou }, m) => {
        const bytes = Uint8Array.from(atob(low_res_logits), (char) => char.charCodeAt(0));
        const theirs = new Float16Array(bytes.buffer);
        const ours = answer.logits.subarray((first + m) * theirs.length);
        theirs.forEach((value, k) => (apart = Math.max(apart, Math.abs(value - ours[k]))));
        apart = Math.max(apart, Math.abs(predicted_iou - answer.ious[first + m]));
      });
    }
    return apart;
  });
}

/** Without WebAssembly the server answers clicks. */
async function answerFar(page) {
  await page.route("**/*.wasm", (route) => route.abort());
  await page.reload(); // its worker has all that it needs
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await openAt(page, "/projects/1/work/2");
  await page.mouse.click(...(await at(page, 0.5, 0.5)));
  await suggestions(page).first().waitFor();
  assert.equal(await suggestions(page).count(), 3);
  await page.keyboard.press("2");
  await page.locator('.suggestion:nth-child(2)[aria-pressed="true"]').waitFor();
  await page.mouse.click(...(await at(page, 0.1, 0.9)), { button: "right" });
  await answered(page, 2);
  await page.keyboard.press("Enter");
  await waitUntilSaved(page);
  const [mask] = await stored(page, 2);
  assert.equal(mask.prompts.point_coords.length, 2);
  return page.locator(".status-line").innerText();
}

const isNetworks = (error) => /Failed to load resource|ERR_/.test(error);
const logits = await visitAs(url, { ...admin, isExpected: isNetworks }, async (page, browser) => {
  await killPage(page);
  await loseConnections(page);
  await conflict(page, "Keep mine", ["cup here"]);
  await conflict(page, "Keep theirs", ["cup here elsewhere"]);
  await conflict(page, "Keep both", ["cup here elsewhere elsewhere", "cup here elsewhere here"]);
  await loseLease(page, browser);
  return logitsApart(page);
});
// The runtime says at length what it misses.
const status = await visitAs(url, { ...admin, isExpected: () => true }, answerFar);
assert.match(status, /by the server/);
// The server sends float16, whose steps are 1/32 at the largest logits.
assert(logits < 0.02, `the page's logits are ${logits} from the server's`);
console.log(JSON.stringify({ logits_apart: logits }));
