// What a reviewer does about faces and plates on a server, in headless Chromium.
//
//   node e2e/privacy_server.mjs URL ADMIN_PASSWORD [FOLDER]
//
// The server has the project of sample photos (`anymask serve --sample`). Screens go into the folder,
// light and dark. Prints axe's findings; exits 1 if one is serious, or with the first expectation
// that does not hold.
import assert from "node:assert/strict";
import { findings, printed } from "./axe.mjs";
import { ask, visitAs } from "./server_page.mjs";

const [url, password, folder] = process.argv.slice(2);
const found = {};

async function look(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    found[`${name}, ${colorScheme}`] = await findings(page);
    if (folder) await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png` });
  }
}

const regionsOf = async (page, image) => (await ask(page, "GET", `images/${image}/regions`)).body;
const saved = (page) =>
  page.waitForResponse((answer) => answer.request().method() === "PUT" && answer.ok());

/** Drags on the picture; places are shares of it. */
async function drag(page, [x0, y0], [x1, y1]) {
  const box = await page.locator(".region-stage").boundingBox();
  await page.mouse.move(box.x + x0 * box.width, box.y + y0 * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + x1 * box.width, box.y + y1 * box.height, { steps: 4 });
  await page.mouse.up();
}

async function review(page) {
  await page.getByRole("link", { name: /Sample photos/ }).click();
  await page.getByRole("link", { name: "Faces and plates" }).click();
  await page.getByRole("button", { name: "Look at 4 new" }).click();
  await page.locator(".image-facts", { hasText: /1 region$/ }).waitFor();
  await look(page, "privacy-list");

  await page.getByRole("link", { name: /astronaut/ }).click();
  const face = page.getByRole("button", { name: "face 1", exact: true });
  await face.waitFor();
  const image = Number(page.url().split("/").at(-1));
  const [proposed] = (await regionsOf(page, image)).regions;
  assert.equal(proposed.source, "centerface");

  let told = saved(page);
  await drag(page, [0.55, 0.66], [0.65, 0.72]);
  await told;
  told = saved(page);
  await page.keyboard.press("p"); // the one just drawn is a plate
  await told;
  told = saved(page);
  await page.keyboard.press("Control+z");
  await told;
  told = saved(page);
  await page.keyboard.press("p");
  await told;
  await look(page, "privacy-editor");

  told = saved(page);
  await face.focus();
  await page.keyboard.press("Shift+ArrowRight");
  await told;
  let { regions } = await regionsOf(page, image);
  assert.ok(Math.abs(regions[0].box[0] - proposed.box[0] - 10) < 0.02);
  assert.deepEqual(
    regions.map(({ kind, source }) => [kind, source]),
    [
      ["face", "person"],
      ["plate", "person"],
    ],
  );
  told = saved(page);
  const [x0, y0, x1, y1] = regions[0].box.map((side) => side / 512);
  await drag(page, [x1, y1], [x1 + 0.02, y1 + 0.02]); // its lower corner
  await told;
  ({ regions } = await regionsOf(page, image));
  assert.ok(regions[0].box[2] > 512 * x1 + 5);
  assert.ok(Math.abs(regions[0].box[0] - 512 * x0) < 0.02);
  assert.ok(Math.abs(regions[0].box[1] - 512 * y0) < 0.02);
  await page.keyboard.press("b");
  await look(page, "privacy-blurred");

  told = saved(page);
  await page.keyboard.press("Enter");
  await told;
  await page.getByText("rocket.jpg, 4 of 4").waitFor();
  assert.equal((await regionsOf(page, image)).is_done, true);

  await page.getByRole("link", { name: "All pictures" }).click();
  await page.getByLabel("Only those left to review").check();
  assert.equal(await page.locator(".images li").count(), 3);
  for (const name of ["coffee", "chelsea", "rocket"]) {
    await page.getByRole("link", { name: new RegExp(name) }).click();
    const here = page.url();
    await page.getByRole("button", { name: /These are all/ }).click();
    await page.waitForURL((url) => url.href !== here); // to the next one that is left
    await page.goto(`${url}#/projects/1/privacy`);
    await page.getByRole("link", { name: new RegExp(name) }).waitFor();
  }
  const released = await ask(page, "GET", "projects/1/privacy?is_done=false");
  assert.deepEqual(released.body, []);
}

await visitAs(url, { name: "admin", password }, review);
process.exit(printed(found) ? 1 : 0);
