/** One deployment for all tests of a run, and visitors who leave when their test ends. */
import assert from "node:assert";
import { after } from "node:test";

import { Deployment } from "./deployment.js";
import { Visitor, closeBrowser } from "./visitor.js";

export const deployment = await Deployment.start();

after(async () => {
  await closeBrowser();
  deployment.stop();
});

/** A new visitor opens the page of a sale. Their further tabs are opened by `page.visitNext(product)`. */
export function visit(t, product, options) {
  return visitPath(t, product, (product) => `/sales/${product}`, options);
}

/** Somebody of the shop opens the board with some sales. */
export function watch(t, products, options) {
  return visitPath(t, products, (products) => `/board?${new URLSearchParams(products.map((it) => ["sale", it]))}`, options);
}

async function visitPath(t, what, pathOf, { prepare = () => {}, at = deployment.url, ...options } = {}) {
  const visitor = await Visitor.arrive(at, options);
  await prepare(visitor.context);
  const pages = [];
  const open = async (of) => {
    const page = await visitor.visit(pathOf(of));
    page.visitNext = open;
    pages.push(page);
    return page;
  };
  t.after(async () => {
    await visitor.leave();
    assert.deepEqual(pages.flatMap((page) => page.errors), []);
  });
  return open(what);
}
