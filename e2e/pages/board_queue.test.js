/** The queue of a sale on the board: its figures, and what the shop does with it. */
import assert from "node:assert";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { ask, cardOf, figure, watchSignedIn } from "./board.js";
import { ADMIN_TOKEN, until } from "./deployment.js";
import { deployment } from "./fixture.js";

const TERMS = { quantity: 20, perUserLimit: 1 };

function open(admitPerSecond) {
  const joinFrom = new Date(Date.now() - 1_000).toISOString();
  return deployment.open({ ...TERMS, queue: { joinFrom, admitPerSecond } }, { opensIn: 4 });
}

async function join(product, people) {
  const answers = Array.from({ length: people }, () => deployment.call("POST", `/queue/${product}`, { userId: randomUUID() }));
  for (const { status, body } of await Promise.all(answers)) {
    assert.equal(status, 201, JSON.stringify(body));
  }
}

/** As if the queue of the server were or were not one that can be paused: `paused`, or undefined. */
function withPause(page, paused) {
  return page.route("**/queue/*", async (route) => {
    if (route.request().method() !== "GET") {
      return route.fallback();
    }
    // The page may have been closed meanwhile.
    const response = await route.fetch().catch(() => null);
    if (!response) {
      return undefined;
    }
    const { paused: _, ...queue } = await response.json();
    return route.fulfill({ response, json: { ...queue, paused } });
  });
}

test("the figures of a queue are those of everybody who joined", async (t) => {
  const product = await open(5);
  await join(product, 30);
  const page = await watchSignedIn(t, [product]);
  await figure(page, product, "Joined", "30");
  await figure(page, product, "Waiting", "30");
  await until("the sale is open", async () => (await deployment.sale(product)).status === "open");
  await join(product, 10);
  await figure(page, product, "Joined", "40");
  await figure(page, product, "Let through per second", /^[45](\.[0-9])?$/);
  await figure(page, product, "Let through", "40");
  await figure(page, product, "Waiting", "0");
  await figure(page, product, "Let through per second", "0");
});

test("a sale is paused as long as its queue is, and not while orders pass the queue", async (t) => {
  const product = await open(5);
  await until("the sale is open", async () => (await deployment.sale(product)).status === "open");
  const page = await watchSignedIn(t, [product]);
  const status = (name) => cardOf(page, product).locator('[data-part="status"]').getByText(name, { exact: true }).waitFor();
  await status("Open");
  await deployment.changeQueue(product, { paused: true });
  await status("Paused");
  await deployment.changeQueue(product, { mode: "pass" });
  await status("Open");
  await deployment.changeQueue(product, { mode: "queue" });
  await status("Paused");
});

test("a queue that cannot be paused has no buttons for it", async (t) => {
  const product = await open(5);
  const page = await watchSignedIn(t, [product], { prepare: (context) => withPause(context, undefined) });
  await figure(page, product, "Joined", "0");
  for (const name of ["Pause the queue", "Continue the queue", "Change the pace"]) {
    assert.ok(await cardOf(page, product).getByRole("button", { name }).isHidden(), name);
  }
});

test("a queue is paused, continued and given another pace", async (t) => {
  const product = await open(5);
  const page = await watchSignedIn(t, [product]);
  const changes = [];
  const keys = [];
  let isAway = true;
  await page.route("**/queue/*", (route) => {
    const request = route.request();
    if (request.method() !== "PATCH") {
      return route.fallback();
    }
    const { authorization, "idempotency-key": key } = request.headers();
    assert.equal(authorization, `Bearer ${ADMIN_TOKEN}`);
    assert.match(key, /^"[0-9a-f]{32}"$/);
    keys.push(key);
    if (isAway) {
      isAway = false;
      return route.abort();
    }
    changes.push(request.postDataJSON());
    return route.fulfill({ json: {} });
  });
  const dialog = page.getByRole("dialog");
  const confirm = async (name, done) => {
    await dialog.getByRole("button", { name }).click();
    await dialog.getByText(done).waitFor();
    await dialog.getByRole("button", { name: "Back to the board" }).click();
  };
  await withPause(page, false);
  await ask(page, product, "Pause the queue");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.deepEqual(changes, []);
  await ask(page, product, "Pause the queue");
  await dialog.getByRole("button", { name: "Pause the queue" }).click();
  await dialog.getByText("No answer came").waitFor();
  await confirm("Try again", "The queue is paused.");
  await ask(page, product, "Change the pace");
  assert.equal(await dialog.getByLabel("People let through per second").inputValue(), "5");
  await dialog.getByLabel("People let through per second").fill("9");
  await confirm("Change the pace", "The queue has its new pace.");
  await withPause(page, true);
  await ask(page, product, "Continue the queue");
  await confirm("Continue the queue", "The queue goes on.");
  assert.deepEqual(changes, [{ paused: true }, { admitPerSecond: 9 }, { paused: false }]);
  assert.equal(keys[0], keys[1], "it was another call when it was tried again");
  assert.equal(new Set(keys).size, 3);
});
