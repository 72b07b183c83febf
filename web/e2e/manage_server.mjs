// What an admin does on a server, in headless Chromium: invites, lets in, switches off, reads figures,
// has other programs told.
//
//   node e2e/manage_server.mjs URL ADMIN_PASSWORD OUTPUT
//
// The server has the project of sample photos (`anymask serve --sample`). OUTPUT gets a
// screenshot. Prints axe's findings of the screens; exits 1 if one is serious, or with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findings, printed } from "./axe.mjs";
import { ask, visitAs } from "./server_page.mjs";

const [url, password, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });

/** Where the annotator ada is, in a browser of her own. */
async function acceptInvitation(browser, link) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(link);
  await page.getByLabel("Name").fill("ada");
  await page.getByLabel("Password").fill("a long password");
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  return page;
}

async function invite(page) {
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: "Invite" }).click();
  await page.getByRole("dialog").getByLabel("Sample photos").check();
  await page.getByRole("button", { name: "Make a link" }).click();
  const link = await page.getByLabel("The link").inputValue();
  assert.match(link, /#\/invitation\/[\w-]{43}$/);
  await page.keyboard.press("Escape");
  return link;
}

/** Out of the project and in again; then two people for each image. */
async function changeAccess(page, hers) {
  const change = async (isMember) => {
    await page.getByRole("button", { name: "Change Sample photos" }).click();
    const told = page.waitForResponse((answer) => answer.request().method() !== "GET");
    const box = page.getByRole("dialog").getByLabel(/^ada/);
    await box.and(page.locator(":enabled")).setChecked(isMember); // once the members are known
    await told;
  };
  await change(false);
  await page.keyboard.press("Escape");
  await page.locator(".access", { hasText: "nobody yet" }).waitFor();
  await hers.reload();
  await hers.getByText("None yet.").waitFor();
  await change(true);
  await page.getByRole("spinbutton").fill("2");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".access", { hasText: "ada" }).waitFor();
  const project = await ask(page, "GET", "projects/1");
  assert.equal(project.body.annotators_per_image, 2);
  await hers.reload();
  await hers.getByRole("link", { name: /Sample photos/ }).waitFor();
}

/** One mask of five seconds and two clicks. */
async function annotate(hers) {
  const work = (await ask(hers, "POST", "projects/1/next")).body;
  const { id: image, height, width } = work.image;
  const mask = crypto.randomUUID();
  const click = { kind: "click", annotation_id: mask };
  await ask(hers, "POST", `images/${image}/events`, [
    { kind: "open", age_seconds: 8 },
    { ...click, age_seconds: 5 },
    { ...click, age_seconds: 3 },
  ]);
  const segmentation = { size: [height, width], counts: [0, 50, height * width - 50] };
  const body = { image_id: image, version: 0, segmentation, position: 0, model_id: "small" };
  assert.equal((await ask(hers, "PUT", `annotations/${mask}`, body)).status, 200);
}

async function readFigures(page) {
  await page.getByRole("row", { name: /small/ }).first().waitFor();
  const cells = page.locator("section", { hasText: "By person" }).getByRole("row").nth(1);
  assert.deepEqual((await cells.innerText()).split("\t"), [
    "ada",
    "1",
    "5.0 s",
    "5.0 s to 5.0 s",
    "2.0",
    "0 %",
  ]);
  assert.equal(await page.locator(".chart circle").count(), 3);
}

/** An address is told of a submission, to no avail: the server tells none of its own machine. */
async function tellOthers(page, hers) {
  await page.goto(`${url}#/projects/1`);
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByText("None yet.").waitFor();
  await page.getByLabel("Address").fill("ftp://127.0.0.1/told");
  await page.getByRole("button", { name: "Add the webhook" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Address").fill("http://127.0.0.1:9/told");
  await page.getByRole("button", { name: "Add the webhook" }).click();
  assert.match(await page.getByLabel("The secret").inputValue(), /^[\w-]{43}$/);
  await page.getByRole("button", { name: "Done" }).click();
  assert.equal((await ask(hers, "POST", "images/1/submit")).status, 200);
  await page.getByText("Last answers").click();
  const answer = page.getByRole("row", { name: /submitted.*127\.0\.0\.1/ });
  for (let i = 0; i < 20 && !(await answer.count()); i++) {
    await page.waitForTimeout(500);
    await page.getByRole("button", { name: "Look again" }).click();
  }
  await answer.waitFor();
  await page.screenshot({ path: join(output, "webhooks.png") });
  const found = await findings(page);
  await page.getByRole("button", { name: /^Delete http/ }).click();
  await page.getByText("None yet.").waitFor();
  return found;
}

async function manage(page, browser) {
  const found = {};
  const hers = await acceptInvitation(browser, await invite(page));
  await page.reload();
  await page.getByLabel("Role of ada").waitFor();
  await changeAccess(page, hers);
  found.people = await findings(page);

  const figures = async () => {
    await page.goto(`${url}#/projects/1/dashboard`);
    await page.reload();
  };
  await figures();
  await page.getByText("appear here with the first mask").waitFor();
  await annotate(hers);
  await figures();
  await readFigures(page);
  found.dashboard = await findings(page);

  found.webhooks = await tellOthers(page, hers);

  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: "Switch off ada" }).click();
  await page.getByText("switched off").waitFor();
  await hers.reload();
  await hers.getByRole("button", { name: "Log in" }).waitFor();
  return found;
}

const isRefused = (error) => error.includes("422");
const found = await visitAs(url, { name: "admin", password, isExpected: isRefused }, manage);
process.exit(printed(found) ? 1 : 0);
