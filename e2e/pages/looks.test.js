/**
 * How the page looks in each of its states, with answers that are made up: no accessibility faults, nothing wider than the
 * screen. Leaves a picture of each in PICTURES.
 */
import assert from "node:assert";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import { answersOf, answerWith } from "./answers.js";
import { visit } from "./fixture.js";
import { shows } from "./visitor.js";

const { PICTURES } = process.env;
const SIZES = [{ width: 360, height: 740 }, { width: 1280, height: 800 }];
const SCHEMES = ["light", "dark"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

mkdirSync(PICTURES, { recursive: true });

/** By how many pixels a page is wider than the screen. */
const overflowOf = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/** What axe finds, but what it only suggests. */
async function faultsOf(page) {
  const { violations } = await page.evaluate(async (axe) => {
    // In the page's global scope, where axe puts itself.
    (0, eval)(axe);
    return globalThis.axe.run();
  }, AXE);
  const found = violations.filter(({ impact }) => impact !== "minor");
  return found.map(({ id, impact, nodes }) => `${impact}: ${id}: ${nodes.map((node) => node.html)}`);
}

for (const state of Object.keys(answersOf(0))) {
  test(`${state} is readable on small and large screens, light and dark`, async (t) => {
    const prepare = (context) => answerWith(context, answersOf(Date.now())[state]);
    const page = await visit(t, "sneaker-1", { bypassCSP: true, prepare });
    await shows(page, state);
    await page.locator("#updated").waitFor();
    for (const viewport of SIZES) {
      await page.setViewportSize(viewport);
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        assert.ok((await overflowOf(page)) <= 0, `too wide for ${viewport.width} pixels`);
        const path = `${PICTURES}/${state}-${viewport.width}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage: true });
        assert.deepEqual(await faultsOf(page), [], `${viewport.width} ${colorScheme}`);
      }
    }
  });
}

test("every language fits on a small screen", async (t) => {
  for (const state of ["join", "waiting", "turn", "order_held"]) {
    const prepare = (context) => answerWith(context, answersOf(Date.now())[state]);
    const page = await visit(t, "sneaker-1", { locale: "de-DE", prepare });
    await shows(page, state);
    assert.equal(await page.locator("html").getAttribute("lang"), "de");
    assert.ok((await overflowOf(page)) <= 0, `${state} is too wide`);
  }
});
