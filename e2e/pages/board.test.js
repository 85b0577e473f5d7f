/** The board on real services. */
import assert from "node:assert";
import { test } from "node:test";

import { ask, cardOf, figure, signIn, watchSignedIn } from "./board.js";
import { ADMIN_TOKEN } from "./deployment.js";
import { deployment, watch } from "./fixture.js";
import { callsOf } from "./visitor.js";

const changesOf = (calls) => calls.filter((it) => !it.startsWith("GET "));

test("a wrong token is refused with its code, the right one is kept in its tab until the shop signs out", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watch(t, [product]);
  await signIn(page, "a token that is none");
  await page.getByText("This is not a token").waitFor();
  await signIn(page, "not-the-token-of-this-shop");
  await page.getByText("(unauthorized)").waitFor();
  assert.equal(await page.getByLabel("Admin token").inputValue(), "");
  await signIn(page, ADMIN_TOKEN);
  await figure(page, product, "Units left", "5");
  await page.reload();
  await figure(page, product, "Units left", "5");
  const other = await page.visitNext([product]);
  await other.getByLabel("Admin token").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.reload();
  await page.getByLabel("Admin token").waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })), "{}");
});

test("a token that is no longer accepted ends at the form, and the board comes back with another", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Units left", "5");
  const problem = { title: "Unauthorized", detail: "the token has expired", code: "token_expired" };
  await page.route("**/figures", (route) => route.fulfill({ status: 401, json: problem }));
  await page.getByText("(token_expired)").waitFor();
  await page.unroute("**/figures");
  await signIn(page, ADMIN_TOKEN);
  await figure(page, product, "Units left", "5");
});

test("figures move while orders are placed", async (t) => {
  const product = await deployment.open({ quantity: 20, holdSeconds: 600 });
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Orders per second", "0");
  const first = await deployment.order(product, 3);
  await deployment.order(product, 2);
  await figure(page, product, "Units left", "15");
  await figure(page, product, "Held", "5");
  await figure(page, product, "Taken", "2");
  await figure(page, product, "Orders per second", /^[0-9.]*[1-9]$/);
  await deployment.admin("POST", `/orders/${first}/complete`);
  await figure(page, product, "Paid", "3");
  await figure(page, product, "Units written to PostgreSQL", "5");
  await figure(page, product, "In the outbox", "0");
  // The rate is that of the last ten seconds.
  await figure(page, product, "Orders per second", "0");
});

test("a cancelled confirmation does nothing", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Units left", "5");
  const calls = callsOf(page);
  for (const name of ["Add units", "Close the sale"]) {
    const dialog = await ask(page, product, name);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "hidden" });
    await ask(page, product, name);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    const button = cardOf(page, product).getByRole("button", { name });
    assert.ok(await button.evaluate((it) => it === document.activeElement), `${name} has lost the focus`);
  }
  await page.waitForTimeout(2_500);
  assert.deepEqual(changesOf(calls), []);
  const { total, status } = await deployment.sale(product);
  assert.deepEqual({ total, status }, { total: 5, status: "open" });
});

test("units are added once, although the answer is lost", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Units left", "5");
  await page.route("**/restock", async (route) => {
    await route.fetch();
    await route.abort();
  });
  const dialog = await ask(page, product, "Add units");
  await dialog.getByLabel("Units to add").fill("7");
  await dialog.getByText("The sale then has 12 units in all.").waitFor();
  await dialog.getByRole("button", { name: "Add units" }).click();
  await dialog.getByText("No answer came").waitFor();
  await page.unroute("**/restock");
  await dialog.getByRole("button", { name: "Back to the board" }).click();
  await page.reload();
  await ask(page, product, "Add units");
  await dialog.getByText("Your last restock had no answer yet.").waitFor();
  await dialog.getByRole("button", { name: "Add units" }).click();
  await dialog.getByText("12 of 12 are left").waitFor();
  await dialog.getByRole("button", { name: "Back to the board" }).click();
  await figure(page, product, "Units left", "12");
  assert.equal((await deployment.sale(product)).total, 12);
  await ask(page, product, "Add units");
  await dialog.getByLabel("Units to add").fill("1");
  await dialog.getByRole("button", { name: "Add units" }).click();
  await dialog.getByText("13 of 13 are left").waitFor();
});

test("a sale is closed for good", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watchSignedIn(t, [product]);
  const dialog = await ask(page, product, "Close the sale");
  await dialog.getByText("5 units stay unsold.").waitFor();
  await dialog.getByRole("button", { name: "Close the sale for good" }).click();
  await dialog.getByText("The sale is closed. 5 units were left.").waitFor();
  await dialog.getByRole("button", { name: "Back to the board" }).click();
  await cardOf(page, product).getByText("Closed", { exact: true }).waitFor();
  assert.equal((await deployment.sale(product)).status, "closed");
  for (const name of ["Add units", "Close the sale"]) {
    assert.ok(await cardOf(page, product).getByRole("button", { name }).isHidden(), name);
  }
  assert.match(await page.locator("#announcement").textContent(), /Closed/);
});

test("a change that is refused says why, with its code", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Units left", "5");
  const dialog = await ask(page, product, "Add units");
  await deployment.admin("POST", `/products/${product}/close`);
  await dialog.getByLabel("Units to add").fill("1");
  await dialog.getByRole("button", { name: "Add units" }).click();
  await dialog.getByText("(sale_closed)").waitFor();
});

test("a sale is opened, and one on other terms is refused", async (t) => {
  const product = `lamp-${Date.now()}`;
  const page = await watchSignedIn(t, [product]);
  await cardOf(page, product).getByRole("button", { name: "Open a sale" }).click();
  const form = page.locator("#opening");
  await form.getByLabel("Units for sale").fill("40");
  await form.getByLabel("Most per person").fill("2");
  await form.getByText("Payment", { exact: true }).click();
  await form.getByLabel("Seconds to pay").fill("600");
  const dialog = page.getByRole("dialog");
  const openIt = async () => {
    await form.getByRole("button", { name: "Check and open" }).click();
    await dialog.getByText("It opens at once.").waitFor();
    await dialog.getByRole("button", { name: "Open the sale" }).click();
  };
  await openIt();
  await dialog.getByText(`The sale of ${product} is set up.`).waitFor();
  await dialog.getByRole("button", { name: "Back to the board" }).click();
  await figure(page, product, "Units left", "40");
  const { total, perUserLimit, holdSeconds } = await deployment.sale(product);
  assert.deepEqual({ total, perUserLimit, holdSeconds }, { total: 40, perUserLimit: 2, holdSeconds: 600 });
  await page.getByRole("button", { name: "Open a sale", exact: true }).click();
  await form.getByLabel("Product id").fill(product);
  await form.getByLabel("Units for sale").fill("41");
  await openIt();
  await dialog.getByText("(sale_exists)").waitFor();
  await dialog.getByRole("button", { name: "Back to the board" }).click();
  assert.equal(await form.getByLabel("Units for sale").inputValue(), "41");
});

test("figures are of any instance, and go on when the one that answered is killed", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const at = await deployment.another({});
  const other = await watchSignedIn(t, [product], { at });
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Units left", "5");
  await deployment.withoutInstance(async () => {
    await page.locator("#notice").getByText("The server does not answer.").waitFor();
    await page.locator("#notice").getByText("These figures are from").waitFor();
    await deployment.orderAt(at, product, 2);
    await figure(other, product, "Units left", "3");
    await figure(page, product, "Units left", "5");
  });
  await page.locator("#notice").waitFor({ state: "hidden" });
  await figure(page, product, "Units left", "3");
  await figure(page, product, "Taken", "1");
});

test("sales are put on the board and taken off, and the address remembers them", async (t) => {
  const products = [await deployment.open({ quantity: 5 }), await deployment.open({ quantity: 6 })];
  const page = await watchSignedIn(t, []);
  for (const product of products) {
    await page.locator("#show-sale").getByLabel("Product id").fill(product);
    await page.getByRole("button", { name: "Show", exact: true }).click();
  }
  await figure(page, products[0], "Units left", "5");
  await figure(page, products[1], "Units left", "6");
  await page.getByRole("button", { name: `Take ${products[0]} off the board` }).click();
  await page.reload();
  await figure(page, products[1], "Units left", "6");
  assert.equal(await cardOf(page, products[0]).count(), 0);
});

test("nothing is asked while nobody looks", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watchSignedIn(t, [product], {
    prepare: (context) =>
      context.addInitScript(() => {
        Object.defineProperty(document, "visibilityState", { get: () => globalThis.seen ?? "visible" });
      }),
  });
  await figure(page, product, "Units left", "5");
  await page.evaluate(() => (globalThis.seen = "hidden"));
  await page.waitForTimeout(2_500);
  const calls = callsOf(page);
  await page.waitForTimeout(4_500);
  assert.deepEqual(calls, []);
  await deployment.order(product);
  await page.evaluate(() => {
    globalThis.seen = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await figure(page, product, "Units left", "4");
});

test("the shop signs in and adds units with the keyboard alone", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await watch(t, [product]);
  await page.getByLabel("Admin token").waitFor();
  await page.keyboard.type(ADMIN_TOKEN);
  await page.keyboard.press("Enter");
  await figure(page, product, "Units left", "5");
  const button = cardOf(page, product).getByRole("button", { name: "Add units" });
  const isThere = () => button.evaluate((it) => it === document.activeElement);
  for (let presses = 0; !(await isThere()); presses += 1) {
    assert.ok(presses < 10, "the button is not reached");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("3");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByText("8 of 8 are left").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await figure(page, product, "Units left", "8");
  assert.ok(await isThere(), "the focus is not back");
});
