// What a rater and a reviewer do about the quality of masks on a server, in headless Chromium.
//
//   node e2e/quality_server.mjs URL ADMIN_PASSWORD [FOLDER]
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

/** A box as run lengths of an image. */
function boxMask({ width, height }, [x0, y0, x1, y1]) {
  const counts = [x0 * height + y0];
  for (let x = x0; x < x1; x++) counts.push(y1 - y0, height - (y1 - y0));
  counts.splice(-1, 1, (width - x1) * height + height - y1);
  return { size: [height, width], counts };
}

/** Two sources' masks of an object on two images. */
async function begin(page) {
  const images = (await ask(page, "GET", "projects/1/images")).body.slice(0, 2);
  const jobs = images.flatMap((image) =>
    ["people", "model"].map((source, place) => ({
      image_id: image.id,
      object_key: "0",
      source,
      segmentation: boxMask(image, [150 + 20 * place, 60, 300, 220]),
      points: [[200, 120]],
    })),
  );
  assert.equal((await ask(page, "POST", "projects/1/rating/jobs", { jobs })).body.added, 4);
}

/** What a canvas shows in its middle, as red, green, blue. */
const middleOf = (page, name) =>
  page.getByRole("img", { name, exact: true }).evaluate((canvas) => [
    ...canvas
      .getContext("2d")
      .getImageData(canvas.width / 2, canvas.height / 2, 1, 1)
      .data.slice(0, 3),
  ]);

async function rate(page) {
  await begin(page);
  await page.getByRole("link", { name: /Sample photos/ }).click();
  await page.getByRole("link", { name: "Rate masks" }).click();
  await page.getByRole("img", { name: "Close-up with mask" }).waitFor();
  const status = page.getByRole("status");
  await status.filter({ hasText: "0 by you, 0 of 4 in all" }).waitFor();
  const [plain, marked] = [
    await middleOf(page, "Close-up"),
    await middleOf(page, "Close-up with mask"),
  ];
  assert.ok(marked[0] - marked[1] > plain[0] - plain[1], `${plain} became ${marked}`);
  await look(page, "rating");

  await page.keyboard.press("8");
  await status.filter({ hasText: "1 by you" }).waitFor();
  await page.keyboard.press("Backspace");
  await status.filter({ hasText: "0 by you" }).waitFor();
  for (const [key, given] of [
    ["9", 1],
    ["0", 2],
    ["4", 3],
  ]) {
    await page.keyboard.press(key);
    await status.filter({ hasText: `${given} by you` }).waitFor();
  }
  await page.getByRole("button", { name: /^7/ }).click();
  await page.getByText("Nothing is left for you to rate.").waitFor();
  await page.getByRole("link", { name: "Quality" }).click();
  await page.getByRole("heading", { name: "Ratings" }).waitFor();
  await look(page, "quality");
  const { body } = await ask(page, "GET", "projects/1/rating/figures");
  const means = Object.values(body.sources).map(({ mean }) => mean.value);
  assert.equal(means[0] + means[1], (9 + 10 + 4 + 7) / 2);
}

await visitAs(url, { name: "admin", password }, rate);
process.exit(printed(found) ? 1 : 0);
