// What axe-core finds on each screen of the written site, light and dark, in headless Chromium.
//
//   node e2e/accessibility.mjs SITE PICTURE
//
// Prints how many findings there are by screen; exits 1 when one is serious or critical.
import { withPage, dropPicture } from "./browser.mjs";
import { at, suggestions } from "./studio_page.mjs";
import { findings, printed } from "./axe.mjs";

const [site, picture] = process.argv.slice(2);

async function visit(page) {
  const found = {};
  const scan = async (screen) => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      found[`${screen}, ${colorScheme}`] = await findings(page);
    }
  };
  await page.locator(".drop-zone:enabled").waitFor({ timeout: 120_000 });
  await scan("start");
  await dropPicture(page, picture);
  await scan("empty studio");
  await page.mouse.click(...(await at(page, 0.45, 0.4)));
  await suggestions(page).first().waitFor();
  await scan("suggestions");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  for (const [x, y] of [
    [0.3, 0.3],
    [0.6, 0.3],
    [0.5, 0.8],
  ])
    await page.mouse.click(...(await at(page, x, y)));
  await page.keyboard.press("Enter");
  await page.keyboard.press("c");
  await scan("shape panel");
  await page.keyboard.press("Enter");
  await page.keyboard.press("F2");
  await scan("naming");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Display" }).click();
  await scan("display panel");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await scan("keys");
  await page.keyboard.press("Escape");
  await page.setViewportSize({ width: 400, height: 800 });
  await scan("narrow");
  return found;
}

process.exit(printed(await withPage(site, {}, visit)) ? 1 : 0);
