/** How the page of a sale looks in each of its states, with answers that are made up. */
import assert from "node:assert";
import { test } from "node:test";

import { answersOf, answerWith } from "./answers.js";
import { deployment, visit } from "./fixture.js";
import { isReadable, overflowOf } from "./looks.js";
import { shows } from "./visitor.js";

for (const [name, { state = name, mark = "h1" }] of Object.entries(answersOf(0))) {
  test(`${name} is readable on small and large screens, light and dark`, async (t) => {
    const prepare = (context) => answerWith(context, answersOf(Date.now())[name]);
    const page = await visit(t, "sneaker-1", { bypassCSP: true, prepare });
    await shows(page, state);
    await page.locator(mark).waitFor();
    await isReadable(page, name);
  });
}

test("every state of the page is looked at", async () => {
  const html = await fetch(`${deployment.url}/sales/sneaker-1`).then((it) => it.text());
  const [assets] = /\/assets\/[0-9a-f]+/.exec(html);
  const texts = await deployment.call("GET", `${assets}/texts-en.json`);
  const states = Object.keys(texts.body).filter((key) => key.endsWith(".headline")).map((key) => key.slice(0, -".headline".length));
  const seen = Object.entries(answersOf(0)).map(([name, { state = name }]) => state);
  assert.ok(states.length > 30);
  assert.deepEqual(states.filter((state) => !seen.includes(state)), []);
});

test("every language fits on a small screen", async (t) => {
  for (const state of ["join", "waiting", "turn", "order_held"]) {
    const prepare = (context) => answerWith(context, answersOf(Date.now())[state]);
    const page = await visit(t, "sneaker-1", { locale: "de-DE", prepare });
    await shows(page, state);
    assert.equal(await page.locator("html").getAttribute("lang"), "de");
    assert.ok((await overflowOf(page)) <= 0, `${state} is too wide`);
  }
});
