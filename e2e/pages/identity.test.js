/** The page of a sale with an identity provider, whose token is in a cookie. */
import assert from "node:assert";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { deployment, visit } from "./fixture.js";
import { shows } from "./visitor.js";

const SECRET = "fedcba9876543210fedcba9876543210";
const SETTINGS = { AUTH_HS256_SECRET: SECRET, AUTH_ISSUER: "shop", AUTH_AUDIENCE: "fluxgate", AUTH_COOKIE: "token" };

function tokenOf(user) {
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: "shop", aud: "fluxgate", sub: user, exp: Math.floor(Date.now() / 1_000) + 600 };
  const unsigned = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  return `${unsigned}.${createHmac("sha256", SECRET).update(unsigned).digest("base64url")}`;
}

test("who is not signed in is asked to, and then buys as themselves", async (t) => {
  const at = await deployment.another(SETTINGS);
  const product = await deployment.open({ quantity: 5 });
  const page = await visit(t, product, { at });
  await shows(page, "open");
  await page.waitForTimeout(800);
  await page.getByRole("button", { name: "Buy" }).click();
  await page.locator("#refusal").getByText("Sign in to the shop first").waitFor();
  const cookie = { name: "token", value: tokenOf("ada"), url: at, httpOnly: true, sameSite: "Strict" };
  await page.context().addCookies([cookie]);
  await page.reload();
  await shows(page, "open");
  await page.waitForTimeout(800);
  await page.getByRole("button", { name: "Buy" }).click();
  await shows(page, "order_confirmed");
  const id = await page.evaluate((key) => JSON.parse(localStorage.getItem(key)).id, `fluxgate:sale:${product}:order`);
  const order = await deployment.call("GET", `/orders/${id}`);
  assert.equal(order.body.userId, "ada");
});
