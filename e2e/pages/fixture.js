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
export async function visit(t, product, { prepare = () => {}, at = deployment.url, ...options } = {}) {
  const visitor = await Visitor.arrive(at, options);
  await prepare(visitor.context);
  const pages = [];
  const open = async (of) => {
    const page = await visitor.visit(of);
    page.visitNext = open;
    pages.push(page);
    return page;
  };
  t.after(async () => {
    await visitor.leave();
    assert.deepEqual(pages.flatMap((page) => page.errors), []);
  });
  return open(product);
}
