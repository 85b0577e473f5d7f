/** What a visitor is told when an order is refused, and what they can do then. */
import assert from "node:assert";
import { test } from "node:test";

import { answersOf, answerWith } from "./answers.js";
import { deployment, visit } from "./fixture.js";
import { leaveOrder, shows } from "./visitor.js";

const refusal = (page) => page.locator("#refusal");

/** Answers a visitor's order so. */
const answerOrder = (page, status, code, headers = {}) =>
  page.route("**/orders", (route) => route.fulfill({ status, headers, json: { code } }));

async function buy(page, quantity) {
  // The page takes no click right after the button has got its meaning.
  await page.waitForTimeout(800);
  if (quantity) {
    await page.getByLabel("Quantity").selectOption(String(quantity));
  }
  await page.getByRole("button", { name: "Buy" }).click();
}

test("the reason of a refusal is read out", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  // Screen readers read what appears in an element that they know already: refusals, changes, and that the server is away.
  assert.equal(await page.getByRole("status").count(), 2);
  const alert = page.getByRole("alert");
  assert.equal(await alert.count(), 1);
  assert.equal(await alert.textContent(), "");
  await answerOrder(page, 409, "user_limit_reached");
  await buy(page);
  await alert.getByText("You have as many units as one person can buy.").waitFor();
});

test("a refusal is shown until the page shows something else, but for 10 seconds at least", async (t) => {
  const { open } = answersOf(Date.now());
  const page = await visit(t, "sneaker-1", {
    prepare: async (context) => {
      await context.clock.install();
      await answerWith(context, open);
    },
  });
  await shows(page, "open");
  await answerOrder(page, 409, "sold_out");
  await page.clock.fastForward(1_000);
  await page.getByRole("button", { name: "Buy" }).click();
  await refusal(page).getByText("Somebody else was faster").waitFor();
  await page.clock.fastForward(15_000);
  await page.context().route("**/products/*", (route) => route.fulfill({ json: { ...open.sale, status: "sold_out", remaining: 0 } }));
  await refusal(page).getByText("Somebody else was faster").waitFor();
  await page.clock.fastForward(5_000);
  await shows(page, "sold_out");
  await refusal(page).getByText("Somebody else was faster").waitFor({ state: "hidden" });
});

test("a refusal outlasts what follows from it", async (t) => {
  const product = await deployment.open({ quantity: 1 });
  const page = await visit(t, product);
  await shows(page, "open");
  await answerOrder(page, 409, "sold_out");
  await buy(page);
  await refusal(page).getByText("Somebody else was faster").waitFor();
  await deployment.order(product);
  await shows(page, "sold_out");
  assert.match(await refusal(page).textContent(), /Somebody else was faster/);
});

test("a limit of hours is a refusal with a time, one of seconds is waited for", async (t) => {
  const product = await deployment.open({ quantity: 5, perUserLimit: 3 });
  const page = await visit(t, product);
  await shows(page, "open");
  await answerOrder(page, 429, "rate_limited", { "Retry-After": "7200" });
  await buy(page, 2);
  await refusal(page).getByText("You can order again at").waitFor();
  await shows(page, "open");
  assert.equal(await page.getByLabel("Quantity").inputValue(), "2");
  await page.unroute("**/orders");
  const soon = new Date(Date.now() + 3_000).toUTCString();
  const limited = { status: 429, headers: { "Retry-After": soon }, json: { code: "rate_limited" } };
  await page.route("**/orders", (route) => route.fulfill(limited), { times: 1 });
  await buy(page);
  await shows(page, "placing_limited");
  await shows(page, "order_confirmed");
  await deployment.remains(product, 3);
});

test("a visitor who may buy more goes back to the sale, one who may not does not", async (t) => {
  const product = await deployment.open({ quantity: 5, perUserLimit: 2 });
  const page = await visit(t, product);
  for (const remaining of [4, 3]) {
    await shows(page, "open");
    await buy(page);
    await shows(page, "order_confirmed");
    await deployment.remains(product, remaining);
    await leaveOrder(page);
  }
  const single = await deployment.open({ quantity: 5, perUserLimit: 1 });
  const other = await visit(t, single);
  await shows(other, "open");
  await buy(other);
  await shows(other, "order_confirmed");
  assert.equal(await other.getByRole("button").count(), 0);
});
