/** The page of a sale without a queue, on real services. */
import assert from "node:assert";
import { test } from "node:test";

import { CHECKOUT_URL, until } from "./deployment.js";
import { deployment, visit } from "./fixture.js";
import { callsOf, leaveOrder, shows } from "./visitor.js";

const seconds = (text) => text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
const isPlacing = (request) => request.method() === "POST" && request.url().endsWith("/orders");

/** As if no stream were left. */
const withoutEvents = (context) => context.route("**/events", (route) => route.fulfill({ status: 503, json: {} }));

async function buy(page) {
  // The page takes no click right after the button has got its meaning.
  await page.waitForTimeout(800);
  await page.getByRole("button", { name: "Buy" }).click();
}

test("a page counts down to the start, and the visitor buys without a reload", async (t) => {
  const product = await deployment.open({ quantity: 5 }, { opensIn: 4 });
  const page = await visit(t, product);
  await shows(page, "scheduled");
  await shows(page, "open");
  await buy(page);
  await shows(page, "order_confirmed");
  await deployment.remains(product, 4);
});

test("the countdown goes by the server's clock", async (t) => {
  const product = await deployment.open({ quantity: 5 }, { opensIn: 600 });
  const page = await visit(t, product, {
    prepare: (context) =>
      context.addInitScript(() => {
        const now = Date.now;
        Date.now = () => now() + 3_600_000;
      }),
  });
  await shows(page, "scheduled");
  const left = seconds(await page.locator("#figure-value").textContent());
  assert.ok(left > 590 && left <= 602, `${left} s`);
});

test("a page that is reloaded while it buys never buys twice", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  let arrived = 0;
  await page.route("**/orders", async (route) => {
    await route.fetch();
    arrived += 1;
    // A reload of the page may have done it already.
    await route.abort().catch(() => {});
  });
  await buy(page);
  await shows(page, "placing");
  await until("the order has arrived without an answer", () => arrived > 0);
  await page.unroute("**/orders");
  await page.reload();
  await shows(page, "order_confirmed");
  await page.reload();
  await shows(page, "order_confirmed");
  await deployment.remains(product, 4);
});

test("an order is placed although the server does not answer for a while", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  await page.waitForTimeout(800);
  await deployment.withoutInstance(async () => {
    await page.getByRole("button", { name: "Buy" }).click();
    await page.locator("#notice").getByText("You never buy twice.").waitFor();
  });
  await shows(page, "order_confirmed", 90_000);
  await deployment.remains(product, 4);
});

test("tabs of one browser ask for the sale together, and go on when one is closed", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const first = await visit(t, product, { prepare: withoutEvents });
  await shows(first, "open");
  const second = await first.visitNext(product);
  await shows(second, "open");
  const calls = [callsOf(first), callsOf(second)];
  await first.waitForTimeout(6_000);
  const asked = calls.filter((it) => it.length > 0);
  assert.equal(asked.length, 1, JSON.stringify(calls));
  await first.close();
  await deployment.order(product, 5);
  await shows(second, "sold_out");
});

test("both tabs show an order, and it is placed once", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const first = await visit(t, product);
  await shows(first, "open");
  const second = await first.visitNext(product);
  await shows(second, "open");
  const users = await Promise.all([first, second].map((page) => page.evaluate(() => localStorage.getItem("fluxgate:user"))));
  assert.ok(users[0] && users[0] === users[1], String(users));
  await second.waitForTimeout(800);
  await Promise.all([first, second].map((page) => page.getByRole("button", { name: "Buy" }).click()));
  await shows(first, "order_confirmed");
  await shows(second, "order_confirmed");
  await deployment.remains(product, 4);
});

test("somebody who presses the button again and again buys once", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  await page.waitForTimeout(800);
  for (let press = 0; press < 12; press += 1) {
    await page.evaluate(() => document.getElementById("action").requestSubmit());
    await page.waitForTimeout(200);
  }
  await shows(page, "order_confirmed");
  await deployment.remains(product, 4);
});

test("a sale is sold out, then units come back", async (t) => {
  const product = await deployment.open({ quantity: 1 });
  const page = await visit(t, product);
  await shows(page, "open");
  await deployment.order(product);
  await shows(page, "sold_out");
  await deployment.admin("POST", `/products/${product}/restock`, { quantity: 2 }, { "Idempotency-Key": "a" });
  await shows(page, "open");
  assert.equal(await page.locator("#figure-value").textContent(), "2");
  await deployment.admin("POST", `/products/${product}/close`);
  await shows(page, "closed");
});

test("an order that is refused says why, and can be tried again", async (t) => {
  const product = await deployment.open({ quantity: 1 });
  const page = await visit(t, product, { prepare: withoutEvents });
  await shows(page, "open");
  await page.waitForTimeout(800);
  await page.route("**/products/**", (route) => route.abort());
  await deployment.order(product);
  await page.getByRole("button", { name: "Buy" }).click();
  await page.locator("#refusal").getByText("Somebody else was faster").waitFor();
  await page.unroute("**/products/**");
  await deployment.admin("POST", `/products/${product}/restock`, { quantity: 1 }, { "Idempotency-Key": "a" });
  await page.reload();
  await shows(page, "open");
  await buy(page);
  await shows(page, "order_confirmed");
});

test("a held order links to the checkout, until it is paid", async (t) => {
  const product = await deployment.open({ quantity: 1, holdSeconds: 600 });
  const page = await visit(t, product);
  await shows(page, "open");
  const placed = page.waitForResponse((it) => isPlacing(it.request()));
  await buy(page);
  const { orderId } = await (await placed).json();
  await shows(page, "order_held");
  const href = await page.getByRole("link", { name: "Pay now" }).getAttribute("href");
  assert.equal(href, CHECKOUT_URL.replace("{orderId}", orderId));
  const other = await visit(t, product);
  await shows(other, "all_held");
  await deployment.admin("POST", `/orders/${orderId}/complete`);
  await shows(page, "order_completed");
  await shows(other, "sold_out");
});

test("an order that is not paid expires, and its unit comes back", async (t) => {
  const product = await deployment.open({ quantity: 1, holdSeconds: 3, holdGraceSeconds: 0 });
  const page = await visit(t, product);
  await shows(page, "open");
  await buy(page);
  await shows(page, "order_held");
  const other = await visit(t, product);
  await shows(other, "all_held");
  await shows(page, "order_expired");
  await shows(other, "open");
  await leaveOrder(page);
  await shows(page, "open");
});

test("a page says that the server is away, and goes on when it is back", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  await deployment.withoutInstance(async () => {
    await page.locator("#notice").getByText("The server does not answer.").waitFor();
  });
  await page.locator("#notice").waitFor({ state: "hidden", timeout: 90_000 });
  await deployment.order(product, 5);
  await shows(page, "sold_out");
});

test("the events of a sale are shown as they come, and the sale is not polled meanwhile", async (t) => {
  const product = await deployment.open({ quantity: 15 });
  const page = await visit(t, product);
  await shows(page, "open");
  const calls = callsOf(page);
  for (let remaining = 14; remaining > 4; remaining -= 1) {
    await deployment.order(product);
    await page.locator("#figure-value").getByText(String(remaining), { exact: true }).waitFor({ timeout: 2_000 });
    await page.evaluate(() => dispatchEvent(new Event("online")));
  }
  await page.waitForTimeout(11_000);
  assert.deepEqual(calls, []);
});

test("a sale whose events are not to be had is polled", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product, { prepare: withoutEvents });
  await shows(page, "open");
  await deployment.order(product, 5);
  await shows(page, "sold_out");
});

test("a sale that does not exist yet appears by itself", async (t) => {
  const product = `lamp-${Date.now()}`;
  const page = await visit(t, product);
  await shows(page, "unknown");
  await deployment.openAs(product, { quantity: 1 });
  await shows(page, "open", 45_000);
});

test("a cache in front keeps the page in each encoding", async (t) => {
  const url = `${await deployment.proxied(t)}/sales/lamp-${Date.now()}`;
  for (const cached of ["MISS", "HIT"]) {
    const texts = [];
    for (const encoding of ["br", "gzip", "identity"]) {
      const answer = await fetch(url, { headers: { "Accept-Encoding": encoding } });
      assert.equal(answer.headers.get("Content-Encoding") ?? "identity", encoding);
      assert.equal(answer.headers.get("X-Cache-Status"), cached, encoding);
      texts.push(await answer.text());
    }
    assert.match(texts[0], /^<!doctype html>/i);
    assert.equal(new Set(texts).size, 1);
  }
});

test("a visitor buys with the keyboard alone", async (t) => {
  const product = await deployment.open({ quantity: 5, perUserLimit: 3 });
  const page = await visit(t, product);
  await shows(page, "open");
  await page.waitForTimeout(800);
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await shows(page, "order_confirmed");
  await deployment.remains(product, 3);
  const spoken = await page.locator("#announcement").textContent();
  assert.match(spoken, /Your order is confirmed/);
});
