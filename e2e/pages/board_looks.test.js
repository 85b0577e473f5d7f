/** How the board looks in each of its states, with answers that are made up. */
import assert from "node:assert";
import { test } from "node:test";

import { ask, cardOf, signIn, watchSignedIn } from "./board.js";
import { answerWith, salesOf } from "./board_answers.js";
import { watch } from "./fixture.js";
import { isReadable, overflowOf } from "./looks.js";

const productsOf = (sales) => sales.map(({ sale }) => sale.productId);

/** The board with the sales of a state, once it has read them twice, so that it shows rates. */
async function watchState(t, state, options) {
  const sales = salesOf(Date.now())[state];
  const page = await watchSignedIn(t, productsOf(sales), { bypassCSP: true, prepare: (context) => answerWith(context, sales), ...options });
  for (const { sale, status } of sales) {
    const part = { 404: "unknown", 503: "problem" }[status] ?? "figures";
    await cardOf(page, sale.productId).locator(`[data-part="${part}"]`).waitFor();
  }
  await page.waitForTimeout(4_500);
  return page;
}

for (const state of Object.keys(salesOf(0))) {
  test(`the board is readable: ${state}`, async (t) => {
    await isReadable(await watchState(t, state), `board-${state}`);
  });
}

test("the form that asks for a token is readable", async (t) => {
  const page = await watch(t, [], { bypassCSP: true });
  await page.getByLabel("Admin token").waitFor();
  await isReadable(page, "board-sign-in");
  await signIn(page, "not-the-token-of-this-shop");
  await page.getByText("(unauthorized)").waitFor();
  await isReadable(page, "board-sign-in-refused");
});

test("an empty board and the form of a new sale are readable", async (t) => {
  const page = await watchSignedIn(t, [], { bypassCSP: true });
  await page.getByText("Name the product of a sale").waitFor();
  await isReadable(page, "board-empty");
  await page.getByRole("button", { name: "Open a sale", exact: true }).click();
  for (const part of ["Queue", "Payment", "Rate limits"]) {
    await page.locator("#opening summary").getByText(part, { exact: true }).click();
  }
  await isReadable(page, "board-opening");
});

test("the board is readable while the server does not answer", async (t) => {
  const page = await watchState(t, "two");
  await page.route("**/figures", (route) => route.abort());
  await page.locator("#notice").getByText("The server does not answer.").waitFor();
  await isReadable(page, "board-unavailable");
});

test("a confirmation is readable before, after and when it has failed", async (t) => {
  const page = await watchState(t, "running");
  const [{ sale }] = salesOf(Date.now()).running;
  const dialog = await ask(page, sale.productId, "Close the sale");
  await isReadable(page, "board-closing");
  const problem = { title: "A store is unavailable", detail: "Kafka has not acknowledged the closing", code: "unavailable" };
  await page.route("**/close", (route) => route.fulfill({ status: 503, json: problem }));
  await dialog.getByRole("button", { name: "Close the sale for good" }).click();
  await dialog.getByText("(unavailable)").waitFor();
  await isReadable(page, "board-closing-failed");
  await page.unroute("**/close");
  await page.route("**/close", (route) => route.fulfill({ json: sale }));
  await dialog.getByRole("button", { name: "Try again" }).click();
  await dialog.getByText("The sale is closed.").waitFor();
  await isReadable(page, "board-closing-done");
  await dialog.getByRole("button", { name: "Back to the board" }).click();
  await ask(page, sale.productId, "Add units");
  await dialog.getByLabel("Units to add").fill("250");
  await isReadable(page, "board-restock");
});

test("the board fits on a small screen in every language", async (t) => {
  const [{ sale, queue }] = salesOf(Date.now()).running;
  const prepare = (context) => answerWith(context, [{ sale, queue }]);
  const page = await watch(t, [sale.productId], { locale: "de-DE", prepare });
  await page.getByLabel("Admin-Token").fill("a-token-of-this-shop");
  await page.getByRole("button", { name: "Anmelden" }).click();
  await cardOf(page, sale.productId).getByText("Stück übrig").waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "de");
  assert.ok((await overflowOf(page)) <= 0, "the board is too wide");
  await cardOf(page, sale.productId).getByRole("button", { name: "Verkauf beenden" }).click();
  await page.getByRole("dialog").waitFor();
  assert.ok((await overflowOf(page)) <= 0, "the confirmation is too wide");
});
