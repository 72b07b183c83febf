// An annotator's hands on the keyboard, for the scripts that touch nothing else.
import assert from "node:assert/strict";
import { area, objectNames, suggestions } from "./studio_page.mjs";

export async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

export const times = (number, key) => Array.from({ length: number }, () => key);

/** Goes on with Tab until the element of this name has the focus. */
export async function tabTo(page, name) {
  for (let i = 0; i < 60; i++) {
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return { name: "" };
      const outline = getComputedStyle(element).outlineStyle;
      const label = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent;
      return { name: (label ?? element.textContent).trim(), outline };
    });
    if (focused.name.startsWith(name)) {
      assert.notEqual(focused.outline, "none", `the focus on "${name}" is to be seen`);
      return;
    }
    await press(page, "Tab");
  }
  assert.fail(`Tab does not reach "${name}"`);
}

export const said = (page, text) => page.locator("[role=log]", { hasText: text }).waitFor();

/** The first object, with the picture in focus: clicked, refined, chosen, brushed, undone, named. */
export async function drawCup(page) {
  // a click, one that removes, the second suggestion
  await press(page, ...times(3, "ArrowUp"), ".");
  await suggestions(page).first().waitFor();
  await area(page);
  await press(page, ...times(4, "Shift+ArrowLeft"), ...times(3, "Shift+ArrowDown"), ",");
  await area(page);
  await press(page, "2");
  await page.locator('.suggestion:nth-child(2)[aria-pressed="true"]').waitFor();

  // a stroke along the cross, undone and done again
  const before = await area(page);
  await press(page, "b", ...times(2, "Shift+ArrowDown"), "x", ...times(6, "ArrowRight"), "x");
  const brushed = await area(page);
  assert.notEqual(brushed, before, "the brush changes the mask");
  await press(page, "Control+z");
  assert.equal(await area(page), before);
  await press(page, "Control+Shift+z");
  assert.equal(await area(page), brushed);
  await press(page, "Enter");
  await said(page, "Object kept, 1 object now.");

  await press(page, "F2");
  await page.keyboard.type("cup");
  await press(page, "Enter");
  assert.deepEqual(await objectNames(page), ["cup"]);
}
