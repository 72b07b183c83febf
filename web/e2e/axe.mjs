// axe-core on the page as it is.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds: rule, how bad, and where. */
export async function findings(page) {
  await page.evaluate(SOURCE); // not a script tag, which the page's policy forbids
  const { violations } = await page.evaluate(() => axe.run());
  return violations.map(({ id, impact, nodes }) => ({
    id,
    impact,
    at: nodes.map(({ target }) => target.join(" ")).slice(0, 5),
  }));
}

/** Prints the findings of all screens as JSON; returns whether one is serious or critical. */
export function printed(found) {
  console.log(JSON.stringify(found));
  return Object.values(found)
    .flat()
    .some(({ impact }) => impact === "serious" || impact === "critical");
}
