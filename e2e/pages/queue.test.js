/** The page of a sale with a queue, on real services. */
import assert from "node:assert";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { answersOf, answerWith } from "./answers.js";
import { until } from "./deployment.js";
import { deployment, visit } from "./fixture.js";
import { callsOf, shows } from "./visitor.js";

const TERMS = { quantity: 20, perUserLimit: 1, queue: { admitPerSecond: 50, turnSeconds: 60 } };

/** A sale with a queue that can be joined from now on. Times are in seconds from now. */
function open(opensIn, { queue, ...terms } = {}) {
  const joinFrom = new Date(Date.now() - 1_000).toISOString();
  return deployment.open({ ...TERMS, ...terms, queue: { ...TERMS.queue, ...queue, joinFrom } }, { opensIn });
}

async function press(page, name) {
  // The page takes no click right after the button has got its meaning.
  await page.waitForTimeout(800);
  await page.getByRole("button", { name }).click();
}

const ticketOf = (page, product) =>
  page.evaluate((key) => localStorage.getItem(key), `fluxgate:sale:${product}:ticket`);

/** Other people join. */
async function crowd(product, size) {
  await until("the instance serves the queue", async () => (await deployment.call("GET", `/queue/${product}`)).status === 200);
  const join = () => deployment.call("POST", `/queue/${product}`, { userId: randomUUID() });
  const answers = await Promise.all(Array.from({ length: size }, join));
  const refused = answers.filter((it) => it.status !== 201);
  assert.deepEqual(refused.map((it) => it.body), []);
}

async function placeOf(product, ticket) {
  const answer = await deployment.call("GET", `/queue/${product}/place`, undefined, { "Fluxgate-Ticket": ticket });
  return answer.body;
}

test("a visitor joins, reloads, opens a second tab, and buys when it is their turn", async (t) => {
  const product = await open(8);
  const page = await visit(t, product);
  await shows(page, "join");
  await press(page, "Join the queue");
  await shows(page, "joined");
  const ticket = await ticketOf(page, product);
  await page.reload();
  await shows(page, "joined");
  const second = await page.visitNext(product);
  await shows(second, "joined");
  await shows(page, "turn", 60_000);
  await shows(second, "turn");
  assert.equal(await ticketOf(page, product), ticket);
  await press(second, "Buy");
  await shows(second, "order_confirmed");
  await shows(page, "order_confirmed");
  await deployment.remains(product, TERMS.quantity - 1);
});

test("behind a cache that keeps the state of the queue, a visitor joins, and buys when it is their turn", async (t) => {
  const product = await open(8);
  const page = await visit(t, product, { at: await deployment.proxied(t) });
  await shows(page, "join");
  await press(page, "Join the queue");
  await shows(page, "joined");
  await shows(page, "turn", 60_000);
  await press(page, "Buy");
  await shows(page, "order_confirmed");
  await until("nginx answers from its cache", () => page.evaluate(async (path) => {
    const answer = await fetch(path, { cache: "no-store" });
    return answer.headers.get("X-Cache-Status") === "HIT";
  }, `/queue/${product}`));
});

test("a place is the one that the server computes, with and without WebCrypto", async (t) => {
  const product = await open(8, { queue: { admitPerSecond: 1 }, quantity: 1000 });
  const able = await visit(t, product);
  const unable = await visit(t, product, {
    prepare: (context) => context.addInitScript(() => Object.defineProperty(crypto, "subtle", { value: undefined })),
  });
  for (const page of [able, unable]) {
    await shows(page, "join");
    await press(page, "Join the queue");
    await shows(page, "joined");
  }
  await crowd(product, 400);
  for (const page of [able, unable]) {
    await page.locator('body:is([data-state="waiting"], [data-state="turn"])').waitFor({ timeout: 60_000 });
  }
  for (const page of [able, unable]) {
    const ticket = await ticketOf(page, product);
    await until("the page and the server see the same place", async () => {
      const { ahead, turn } = await placeOf(product, ticket);
      const shown = await page.locator("#figure-value").textContent();
      return turn === "open" || Math.abs(Number(shown) - ahead) <= 8;
    });
    await page.locator("#draw summary").click();
  }
  await able.getByText("the number fits the fingerprint that you were shown").waitFor();
  await unable.getByText("not possible: it needs").waitFor();
  // Had the shop shown another fingerprint before.
  await able.evaluate((key) => localStorage.setItem(key, "00".repeat(32)), `fluxgate:sale:${product}:seed-sha256`);
  await able.getByText("the number does not fit the fingerprint that you were shown").waitFor({ timeout: 15_000 });
});

test("a visitor who comes after the start joins at the end, waits and gets a turn", async (t) => {
  const product = await open(2, { queue: { admitPerSecond: 10 }, quantity: 1000 });
  await until("the sale has started", async () => (await deployment.sale(product)).status === "open");
  await crowd(product, 150);
  const page = await visit(t, product);
  await shows(page, "join_late");
  await press(page, "Join the queue");
  await shows(page, "waiting");
  await page.locator("#estimate").getByText("less than a minute").waitFor();
  await page.reload();
  await shows(page, "turn", 60_000);
});

test("no request but those that need it carries a ticket", async (t) => {
  const product = await open(30);
  const page = await visit(t, product);
  await shows(page, "join");
  await press(page, "Join the queue");
  await shows(page, "joined");
  assert.deepEqual(await page.context().cookies(), []);
});

test("the queue of a sale is first read when its seed is shown", async (t) => {
  const opensAt = Date.now() + 5_000;
  const { join } = answersOf(Date.now());
  const start = { opensAt: new Date(opensAt).toISOString() };
  const answers = { sale: { ...join.sale, ...start }, queue: { ...join.queue, ...start, pollAfterMs: [6_000, 6_000] } };
  const page = await visit(t, "sneaker-1", {
    prepare: async (context) => {
      await answerWith(context, answers);
      await context.addInitScript(() => {
        Math.random = () => 0;
      });
    },
  });
  await shows(page, "join");
  // Shown once the queue has been read.
  await page.locator("#draw").waitFor();
  await page.waitForRequest("**/queue/*", { timeout: 20_000 });
  const afterMs = Date.now() - opensAt;
  assert.ok(afterMs > 3_300 && afterMs < 6_000, `${afterMs} ms after the start`);
});

test("the page of a sale with a queue that is over does not ask for its queue", async (t) => {
  const answers = answersOf(Date.now());
  const page = await visit(t, "sneaker-1", { prepare: (context) => answerWith(context, answers.waiting) });
  await shows(page, "waiting");
  const over = { ...answers.waiting.sale, status: "closed" };
  const context = page.context();
  await context.route("**/queue/*", (route) => route.fulfill({ status: 409, json: { code: "sale_closed" } }));
  await context.route("**/products/*", (route) => route.fulfill({ json: over }));
  await shows(page, "closed");
  const next = await page.visitNext("sneaker-1");
  await shows(next, "closed");
  const calls = callsOf(page);
  await page.waitForTimeout(8_000);
  assert.ok(calls.length <= 1, String(calls));
});

test("a turn that is over can be followed by another one", async (t) => {
  const product = await open(3, { queue: { turnSeconds: 30 } });
  const page = await visit(t, product);
  await shows(page, "join");
  await press(page, "Join the queue");
  await shows(page, "turn", 30_000);
  await shows(page, "turn_over", 90_000);
  await press(page, "Join again");
  await shows(page, "turn", 90_000);
});

test("a place is kept while the instance is away", async (t) => {
  const product = await open(4, { queue: { admitPerSecond: 1 }, quantity: 1000 });
  const page = await visit(t, product);
  await shows(page, "join");
  await press(page, "Join the queue");
  await crowd(product, 300);
  await page.locator('body:is([data-state="waiting"], [data-state="turn"])').waitFor({ timeout: 60_000 });
  const ticket = await ticketOf(page, product);
  await deployment.withoutInstance(async () => {
    await page.locator("#notice").getByText("Your place is kept.").waitFor();
  });
  await page.locator("#notice").waitFor({ state: "hidden", timeout: 90_000 });
  assert.equal(await ticketOf(page, product), ticket);
  await page.locator('body:is([data-state="waiting"], [data-state="turn"])').waitFor();
});

test("the queue waits while all units are held, and goes on when one comes back", async (t) => {
  const terms = { quantity: 1, holdSeconds: 15, holdGraceSeconds: 0, queue: { admitPerSecond: 1, overbook: 1 } };
  const product = await open(3, terms);
  const first = await visit(t, product);
  await shows(first, "join");
  await press(first, "Join the queue");
  await shows(first, "turn", 30_000);
  await press(first, "Buy");
  await shows(first, "order_held");
  const next = await visit(t, product);
  await shows(next, "join_all_held");
  await press(next, "Join the queue");
  await shows(next, "waiting_all_held");
  await shows(next, "turn", 60_000);
  await press(next, "Buy");
  await shows(next, "order_held");
});

test("a visitor solves the challenge of an instance that asks for a proof of work", async (t) => {
  const product = await open(30);
  const at = await deployment.another({ QUEUE_WORK_DIGITS: "3" });
  const refused = await fetch(`${at}/queue/${product}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ userId: randomUUID() }),
  });
  assert.equal((await refused.json()).code, "work_required");
  const page = await visit(t, product, { at });
  await shows(page, "join");
  await press(page, "Join the queue");
  await shows(page, "joined");
});

test("a paused queue says so, keeps the place, and goes on", async (t) => {
  const product = await open(1, { queue: { admitPerSecond: 1000 } });
  await deployment.changeQueue(product, { paused: true });
  const page = await visit(t, product);
  await shows(page, "join_paused");
  await press(page, "Join the queue");
  await shows(page, "waiting_paused");
  await deployment.changeQueue(product, { paused: false });
  await shows(page, "turn", 30_000);
  await deployment.changeQueue(product, { paused: true });
  await shows(page, "turn_paused", 30_000);
  await press(page, "Buy");
  await shows(page, "order_confirmed");
});

test("while orders need no turns, a visitor buys without joining", async (t) => {
  const product = await open(1);
  await deployment.changeQueue(product, { mode: "pass" });
  const page = await visit(t, product);
  await shows(page, "open");
  await press(page, "Buy");
  await shows(page, "order_confirmed");
});
