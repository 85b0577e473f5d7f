/** The page of a sale with an identity provider, whose token is in a cookie. */
import assert from "node:assert";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { deployment, visit } from "./fixture.js";
import { leaveOrder, shows } from "./visitor.js";

const SECRET = "fedcba9876543210fedcba9876543210";
const SETTINGS = { AUTH_HS256_SECRET: SECRET, AUTH_ISSUER: "shop", AUTH_AUDIENCE: "fluxgate", AUTH_COOKIE: "token" };

function tokenOf(user) {
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: "shop", aud: "fluxgate", sub: user, exp: Math.floor(Date.now() / 1_000) + 600 };
  const unsigned = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  return `${unsigned}.${createHmac("sha256", SECRET).update(unsigned).digest("base64url")}`;
}

const signIn = (context, url, user) =>
  context.addCookies([{ name: "token", value: tokenOf(user), url, httpOnly: true, sameSite: "Strict" }]);

async function buy(page) {
  await page.waitForTimeout(800);
  await page.getByRole("button", { name: "Buy" }).click();
  await shows(page, "order_confirmed");
  const order = await page.evaluate(() => Object.keys(localStorage).find((key) => key.endsWith(":order")));
  const id = await page.evaluate((key) => JSON.parse(localStorage.getItem(key)).id, order);
  const { body } = await deployment.call("GET", `/orders/${id}`);
  return body.userId;
}

test("somebody else who signs in can buy, too", async (t) => {
  const at = await deployment.another(SETTINGS);
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product, { at, prepare: (context) => signIn(context, at, "ada") });
  await shows(page, "open");
  assert.equal(await buy(page), "ada");
  await signIn(page.context(), at, "bob");
  await page.reload();
  await shows(page, "order_unknown");
  await leaveOrder(page);
  await shows(page, "open");
  assert.equal(await buy(page), "bob");
});

test("who is not signed in is asked to, and then buys as themselves", async (t) => {
  const at = await deployment.another(SETTINGS);
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product, { at });
  await shows(page, "open");
  await page.waitForTimeout(800);
  await page.getByRole("button", { name: "Buy" }).click();
  await page.locator("#refusal").getByText("Sign in to the shop first").waitFor();
  await signIn(page.context(), at, "ada");
  await page.reload();
  await shows(page, "open");
  assert.equal(await buy(page), "ada");
});
