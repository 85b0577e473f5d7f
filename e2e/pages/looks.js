/** How pages look: no accessibility faults, nothing wider than the screen. Leaves pictures in PICTURES. */
import assert from "node:assert";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { PICTURES } = process.env;
const SIZES = [{ width: 360, height: 740 }, { width: 1280, height: 800 }];
const SCHEMES = ["light", "dark"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

mkdirSync(PICTURES, { recursive: true });

/** By how many pixels a page is wider than the screen. */
export const overflowOf = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/** Looks at a page on small and large screens, light and dark. It needs a context with `bypassCSP`. */
export async function isReadable(page, name) {
  for (const viewport of SIZES) {
    await page.setViewportSize(viewport);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      assert.ok((await overflowOf(page)) <= 0, `too wide for ${viewport.width} pixels`);
      const path = `${PICTURES}/${name}-${viewport.width}-${colorScheme}.png`;
      await page.screenshot({ path, fullPage: true });
      assert.deepEqual(await faultsOf(page), [], `${viewport.width} ${colorScheme}`);
    }
  }
}

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
