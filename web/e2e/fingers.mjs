// Fingers and a pen on the canvas, synthesized, in headless Chromium.
//
//   node e2e/fingers.mjs SITE PICTURE
//
// Exits 1 with the first expectation that does not hold.
import assert from "node:assert/strict";
import { dropPicture, withPage } from "./browser.mjs";
import { area, stage, suggestions } from "./studio_page.mjs";

const [site, picture] = process.argv.slice(2);

const percent = async (page) => Number.parseInt(await page.getByLabel("Zoom").innerText(), 10);

async function visit(page) {
  await dropPicture(page, picture);
  const session = await page.context().newCDPSession(page);
  const box = await stage(page).boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];

  const touch = (type, ...points) =>
    session.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: points.map(([px, py], id) => ({ x: px, y: py, id })),
    });
  const pen = (type, px, py) =>
    session.send("Input.dispatchMouseEvent", {
      type,
      x: px,
      y: py,
      pointerType: "pen",
      button: type === "mouseMoved" ? "none" : "left",
      buttons: type === "mouseReleased" ? 0 : 1,
      clickCount: type === "mouseMoved" ? 0 : 1,
    });
  const stroke = async (from, to) => {
    await pen("mousePressed", ...from);
    await pen("mouseMoved", (from[0] + to[0]) / 2, (from[1] + to[1]) / 2);
    await pen("mouseMoved", ...to);
    await pen("mouseReleased", ...to);
  };
  /** The protocol has no such button: events as a pen's other end sends them. */
  const erasing = (...points) =>
    stage(page).evaluate((canvas, places) => {
      canvas.setPointerCapture = () => {}; // knows no made-up pointer
      places.forEach(([clientX, clientY], i) => {
        const isLast = i === places.length - 1;
        const type = i === 0 ? "pointerdown" : isLast ? "pointerup" : "pointermove";
        const pen = { pointerId: 77, pointerType: "pen", button: 5, buttons: isLast ? 0 : 32 };
        canvas.dispatchEvent(new PointerEvent(type, { clientX, clientY, bubbles: true, ...pen }));
      });
      delete canvas.setPointerCapture;
    }, points);
  const settled = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));

  // two fingers apart zoom, together move; neither clicks
  const fitted = await percent(page);
  await touch("touchStart", [x - 40, y], [x + 40, y]);
  for (let i = 1; i <= 8; i++) await touch("touchMove", [x - 40 - 10 * i, y], [x + 40 + 10 * i, y]);
  await touch("touchEnd");
  await settled();
  const zoomed = await percent(page);
  assert(Math.abs(zoomed / fitted - 3) < 0.15, `three times as far apart: ${fitted} to ${zoomed}`);
  const pixels = () =>
    stage(page).evaluate((canvas) =>
      canvas.getContext("2d").getImageData(300, 300, 1, 1).data.join(),
    );
  const before = await pixels();
  await touch("touchStart", [x - 40, y], [x + 40, y]);
  for (let i = 1; i <= 6; i++)
    await touch("touchMove", [x - 40 + 20 * i, y + 15 * i], [x + 40 + 20 * i, y + 15 * i]);
  await touch("touchEnd");
  await settled();
  assert.notEqual(await pixels(), before, "two fingers move the picture");
  assert.equal(await percent(page), zoomed);
  assert.equal(await suggestions(page).count(), 0, "no finger of two clicks");

  // one finger clicks
  await page.keyboard.press("f");
  await touch("touchStart", [x, y]);
  await touch("touchEnd");
  await suggestions(page).first().waitFor();
  await page.keyboard.press("Escape");

  // a second finger ends what the first began
  await page.keyboard.press("b");
  await touch("touchStart", [x, y]);
  await touch("touchMove", [x + 30, y]);
  await touch("touchStart", [x + 30, y], [x + 80, y]);
  await touch("touchEnd");
  await settled();
  assert.equal(await page.getByText("Ready").count(), 1, "no stroke is left");

  // a pen paints, its other end erases
  await stroke([x - 100, y], [x + 100, y]);
  const painted = await area(page);
  await erasing([x, y], [x + 50, y], [x + 110, y], [x + 110, y]);
  const erased = await area(page);
  assert(erased < 0.6 * painted, `the pen's other end erases: ${painted} to ${erased}`);

  // the hand beside the pen does nothing
  const seen = await percent(page);
  await pen("mousePressed", x - 100, y + 60);
  await pen("mouseMoved", x, y + 60);
  await touch("touchStart", [x + 150, y + 150], [x + 190, y + 170]);
  await touch("touchMove", [x + 150, y + 190], [x + 260, y + 250]);
  await pen("mouseMoved", x + 100, y + 60);
  await touch("touchEnd");
  await pen("mouseReleased", x + 100, y + 60);
  await settled();
  assert.equal(await percent(page), seen, "the palm does not zoom");
  const withPalm = await area(page);
  assert(withPalm > erased + 0.9 * painted, `the stroke goes on: ${erased} to ${withPalm}`);
  return { fitted, zoomed, painted, erased, withPalm };
}

console.log(JSON.stringify(await withPage(site, { hasTouch: true }, visit)));
