// What an annotator and a reviewer do on a server, in headless Chromium.
//
//   node e2e/annotate_server.mjs URL ADMIN_PASSWORD OUTPUT
//
// The server has the project of sample photos (`anymask serve --sample`). OUTPUT gets the exported
// COCO JSON, shown.bin (a byte a pixel of the first photo: 1 where a mask is painted) and
// screenshots. Prints axe's findings; exits 1 if one is serious, or with the first expectation that
// does not hold.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findings, printed } from "./axe.mjs";
import { waitUntilReady } from "./browser.mjs";
import { ask, logIn, visitAs, waitUntilSaved } from "./server_page.mjs";
import {
  DENSE,
  answered,
  area,
  at,
  objectNames,
  shownPixels,
  suggestions,
} from "./studio_page.mjs";

const [url, password, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });
const REASON = "The spoon is missing.";

const found = {}; // what axe finds, by screen

/** Screenshots in both colour schemes, each looked at by axe. */
async function picture(page, name) {
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300); // colours change slowly
    await page.screenshot({ path: join(output, `${name}-${colorScheme}.png`) });
    found[`${name}, ${colorScheme}`] = await findings(page);
  }
}

/** An annotator's account, made with an invitation; the page is left as hers. */
async function acceptInvitation(page) {
  const made = await ask(page, "POST", "invitations", { role: "annotator", project_ids: [1] });
  assert.equal(made.status, 201);
  await page.getByRole("button", { name: "admin" }).click();
  await picture(page, "account");
  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByRole("button", { name: "Log in" }).waitFor();
  await picture(page, "login");
  await page.evaluate((secret) => (location.hash = `/invitation/${secret}`), made.body.secret);
  await page.getByLabel("Name").fill("ada");
  await page.getByLabel("Password").fill("a long password");
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
}

async function annotate(page) {
  await page.getByRole("link", { name: /Sample photos/ }).click();
  await page.locator(".image").first().waitFor();
  assert.equal(await page.locator(".image").count(), 4);
  await page.getByRole("button", { name: "Annotate next" }).click();
  await waitUntilReady(page);
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "coffee.png");

  // click, refine, the second mask
  await page.mouse.click(...(await at(page, 0.45, 0.4)));
  await suggestions(page).first().waitFor();
  assert.equal(await suggestions(page).count(), 3);
  await area(page);
  await page.mouse.click(...(await at(page, 0.1, 0.9)), { button: "right" });
  await answered(page, 2);
  await page.keyboard.press("2");
  await page.locator('.suggestion:nth-child(2)[aria-pressed="true"]').waitFor();
  await picture(page, "studio");

  // brush and undo
  const before = await area(page);
  await page.keyboard.press("b");
  await page.mouse.move(...(await at(page, 0.8, 0.1)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, 0.9, 0.2)), { steps: 5 });
  await page.mouse.up();
  assert((await area(page)) > before);
  await page.keyboard.press("Control+z");
  assert.equal(await area(page), before);
  await page.keyboard.press("Control+Shift+z");

  // keep, name, save; a second one, deleted again; a third
  await page.keyboard.press("Enter");
  await page.keyboard.press("F2");
  await page.keyboard.type("cup");
  await page.keyboard.press("Enter");
  await waitUntilSaved(page);
  await page.keyboard.press("s");
  for (const x of [0.3, 0.7]) {
    await page.mouse.click(...(await at(page, x, 0.7)));
    await suggestions(page).first().waitFor();
    await page.keyboard.press("n");
    if (x < 0.5) await page.keyboard.press("Delete");
  }
  assert.deepEqual(await objectNames(page), ["cup", "Object 2"]);
  await waitUntilSaved(page);

  // the less prominent one to the front, by hand
  const rows = page.locator(".object");
  await page
    .locator(".grip")
    .nth(1)
    .dragTo(rows.first(), { targetPosition: { x: 60, y: 8 } });
  assert.deepEqual(await objectNames(page), ["Object 1", "cup"]);
  await waitUntilSaved(page);

  // what the server has is there after a reload, and shown pixel by pixel
  await page.reload();
  await waitUntilReady(page);
  assert.deepEqual(await objectNames(page), ["Object 1", "cup"]);
  writeFileSync(join(output, "shown.bin"), await shownPixels(page));

  // next
  await page.getByRole("button", { name: "Submit and next" }).click();
  await page.getByRole("heading", { name: "chelsea.png" }).waitFor();
  await waitUntilReady(page);
  await page.getByRole("button", { name: "Other pictures" }).click();
  await page.locator(".state-submitted").first().waitFor();
}

/** A reviewer sends the image back, the annotator hands it in again, it is accepted. */
async function review(page, context) {
  const hers = await context.newPage();
  await hers.goto(url);
  await hers.getByRole("link", { name: /Sample photos/ }).click();
  await page.getByRole("link", { name: /Sample photos/ }).click();
  await page.getByRole("link", { name: /coffee.png/ }).click();
  await waitUntilReady(page);
  await picture(page, "review");
  await page.getByRole("button", { name: "Send back" }).click();
  await page.getByLabel("What to do better").fill(REASON);
  await page.getByRole("dialog").getByRole("button", { name: "Send back" }).click();
  await page.locator(".badge.state-rejected").waitFor();

  await hers.getByRole("button", { name: "Annotate next" }).click();
  await hers.getByText(REASON).waitFor();
  await picture(hers, "sent-back");
  await hers.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await waitUntilReady(hers);
  await hers.getByRole("button", { name: "Submit and next" }).click();
  await hers.getByRole("heading", { name: "chelsea.png" }).waitFor();

  await page.reload();
  await page.getByRole("link", { name: /coffee.png/ }).click();
  await waitUntilReady(page);
  await page.getByRole("button", { name: "Accept" }).click();
  await page.locator(".badge.state-accepted").waitFor();
  await picture(page, "images");
}

async function exportCoco(page) {
  await page.getByRole("button", { name: "Export" }).click();
  await picture(page, "export");
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "COCO (run lengths)" }).click(),
  ]);
  await file.saveAs(join(output, "coco.json"));
}

const admin = { name: "admin", password, ...DENSE };
await visitAs(url, admin, async (page, browser) => {
  await picture(page, "projects");
  await acceptInvitation(page);
  await annotate(page);
  const reviewers = await browser.newContext({ acceptDownloads: true, ...DENSE });
  const reviewer = await reviewers.newPage();
  await reviewer.goto(url);
  await logIn(reviewer, "admin", password);
  await review(reviewer, page.context());
  await exportCoco(reviewer);
});
process.exit(printed(found) ? 1 : 0);
