// What an annotator does on a server, with the keyboard alone, in headless Chromium.
//
//   node e2e/by_keys_server.mjs URL ADMIN_PASSWORD OUTPUT
//
// The server has the project of sample photos (`anymask serve --sample`). OUTPUT gets the exported
// COCO JSON. Prints the objects' names; exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { visitPage, waitUntilReady } from "./browser.mjs";
import { drawCup, press, said, tabTo, times } from "./keyboard.mjs";
import { isNotLoggedIn, waitUntilSaved } from "./server_page.mjs";
import { objectNames, suggestions } from "./studio_page.mjs";

const [url, password, output] = process.argv.slice(2);
mkdirSync(output, { recursive: true });

/** Tab to what has this name, and press it. */
async function enter(page, name) {
  await tabTo(page, name);
  await press(page, "Enter");
}

async function logIn(page) {
  await page.getByRole("button", { name: "Log in" }).waitFor();
  await tabTo(page, "Name");
  await page.keyboard.type("admin");
  await tabTo(page, "Password");
  await page.keyboard.type(password);
  await press(page, "Enter");
  await page.getByRole("heading", { name: "Projects" }).waitFor();
}

async function annotate(page) {
  await logIn(page);
  await page.getByRole("link", { name: /Sample photos/ }).waitFor();
  await enter(page, "Sample photos");
  await page.locator(".image").first().waitFor();
  await enter(page, "Annotate next");
  await waitUntilReady(page);
  await tabTo(page, "coffee.png");
  await drawCup(page);

  // another object, from where the first one began
  await press(page, "Escape", "s", ...times(3, "Shift+ArrowRight"), ".");
  await suggestions(page).first().waitFor();
  await press(page, "n");
  await said(page, "Object kept, 2 objects now.");
  await waitUntilSaved(page);

  await page.reload();
  await waitUntilReady(page);
  const names = await objectNames(page);
  await enter(page, "Submit and next");
  await page.getByRole("heading", { name: "chelsea.png" }).waitFor();
  await waitUntilReady(page);
  await enter(page, "Other pictures");
  await page.locator(".state-submitted").first().waitFor();

  await enter(page, "Export");
  await page.getByRole("link", { name: "COCO (run lengths)" }).waitFor();
  await tabTo(page, "COCO (run lengths)");
  const [file] = await Promise.all([page.waitForEvent("download"), press(page, "Enter")]);
  await file.saveAs(join(output, "coco.json"));
  await press(page, "Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await enter(page, "admin");
  await enter(page, "Log out");
  await page.getByRole("button", { name: "Log in" }).waitFor();
  return { objects: names };
}

const options = { viewport: { width: 1360, height: 850 }, isExpected: isNotLoggedIn };
const result = await visitPage(url, options, annotate);
assert.equal(result.objects[0], "cup");
console.log(JSON.stringify(result));
