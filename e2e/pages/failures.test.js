/** The page of a sale when the browser, the network or the server does not do what it should. */
import assert from "node:assert";
import { test } from "node:test";

import { answersOf, answerWith } from "./answers.js";
import { deployment, visit } from "./fixture.js";
import { callsOf, shows } from "./visitor.js";

const OVERLOADED = { status: 503, json: { code: "overloaded" } };

/** Made-up answers of a sale that is open. */
const openSale = (context) => answerWith(context, answersOf(Date.now()).open);

/** Event streams that say what the test dispatches to `streams`. */
async function withMadeUpStreams(context) {
  await openSale(context);
  await context.clock.install();
  await context.addInitScript(() => {
    globalThis.streams = [];
    globalThis.EventSource = class extends EventTarget {
      static CLOSED = 2;
      readyState = 1;
      constructor() {
        super();
        globalThis.streams.push(this);
      }
      close() {
        this.readyState = 2;
      }
    };
  });
}

const heartbeat = (page, isCurrent) =>
  page.evaluate((data) => globalThis.streams.at(-1).dispatchEvent(new MessageEvent("heartbeat", { data })), JSON.stringify({ isCurrent }));

const streamsOf = (page) => page.evaluate(() => globalThis.streams.length);

test("texts that the server refuses are asked for again", async (t) => {
  let refused = 0;
  const page = await visit(t, "sneaker-1", {
    prepare: async (context) => {
      await openSale(context);
      await context.route("**/texts-en.json", (route) => (refused++ < 1 ? route.fulfill(OVERLOADED) : route.continue()));
    },
  });
  await shows(page, "open");
  await page.getByRole("heading", { name: "The sale is open" }).waitFor();
  assert.equal(refused, 2);
});

test("a page that gets the script of another version loads itself again", async (t) => {
  let loads = 0;
  const page = await visit(t, "sneaker-1", {
    prepare: async (context) => {
      await openSale(context);
      await context.route("**/sales/*", async (route) => {
        loads += 1;
        const response = await route.fetch();
        const html = await response.text();
        const other = html.replaceAll(/assets\/[0-9a-f]+\/main/g, "assets/0123456789abcdef/main");
        await route.fulfill({ response, body: loads > 1 ? html : other });
      });
    },
  });
  await shows(page, "open");
  assert.equal(loads, 2);
});

test("a page works where the browser refuses locks", async (t) => {
  const page = await visit(t, "sneaker-1", {
    prepare: async (context) => {
      await openSale(context);
      await context.addInitScript(() => {
        LockManager.prototype.request = () => Promise.reject(new DOMException("not here", "SecurityError"));
      });
    },
  });
  await shows(page, "open");
  const next = await page.visitNext("sneaker-1");
  await shows(next, "open");
});

test("a new tab does not wait long for one that is suspended", async (t) => {
  const page = await visit(t, "sneaker-1", { prepare: openSale });
  await shows(page, "open");
  await page.evaluate(() => {
    BroadcastChannel.prototype.postMessage = () => {};
  });
  const next = await page.visitNext("sneaker-1");
  await shows(next, "open", 8_000);
});

test("a page asks ever more rarely while the server is away", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  const calls = callsOf(page);
  await deployment.withoutInstance(() => page.waitForTimeout(25_000));
  assert.ok(calls.length > 2 && calls.length < 9, String(calls));
});

test("a stream without a sign of life is replaced", async (t) => {
  const page = await visit(t, "sneaker-1", { prepare: withMadeUpStreams });
  await shows(page, "open");
  const calls = callsOf(page);
  for (let round = 0; round < 3; round += 1) {
    await heartbeat(page, true);
    await page.clock.fastForward(20_000);
  }
  assert.deepEqual([calls, await streamsOf(page)], [[], 1]);
  await page.clock.fastForward(6_000);
  await page.waitForFunction(() => globalThis.streams.length === 2);
  assert.deepEqual(calls, ["GET /products/sneaker-1"]);
});

test("a stream that cannot say how the sale stands is closed, and the sale is read", async (t) => {
  const page = await visit(t, "sneaker-1", { prepare: withMadeUpStreams });
  await shows(page, "open");
  const calls = callsOf(page);
  await heartbeat(page, false);
  await page.clock.fastForward(5_000);
  await page.waitForFunction(() => globalThis.streams.length === 2);
  assert.deepEqual(calls, ["GET /products/sneaker-1"]);
});

test("an order is followed although the browser keeps nothing more", async (t) => {
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product);
  await shows(page, "open");
  await page.evaluate(() => {
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function (key, value) {
      if (value.includes('"id"')) {
        throw new DOMException("full", "QuotaExceededError");
      }
      setItem.call(this, key, value);
    };
  });
  const calls = callsOf(page);
  await page.waitForTimeout(800);
  await page.getByRole("button", { name: "Buy" }).click();
  await shows(page, "order_confirmed");
  assert.equal(calls.filter((call) => call === "POST /orders").length, 1);
});

test("nobody is let in before the start, however new the server's Date is", async (t) => {
  const opensAt = 1_000 * Math.ceil(Date.now() / 1_000 + 7);
  const { scheduled } = answersOf(Date.now());
  const sale = { ...scheduled.sale, opensAt: new Date(opensAt).toISOString() };
  const page = await visit(t, "sneaker-1", {
    prepare: async (context) => {
      await answerWith(context, { sale });
      await context.route("**/products/*", async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 1_000 - (Date.now() % 1_000)));
        await route.fulfill({ json: sale, headers: { Date: new Date().toUTCString() } });
      });
    },
  });
  await shows(page, "scheduled");
  await shows(page, "open");
  assert.ok(Date.now() >= opensAt, `${opensAt - Date.now()} ms too early`);
});
