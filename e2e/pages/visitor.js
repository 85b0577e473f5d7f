/** Somebody with a browser. */
import { chromium } from "playwright-core";

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
const STATE_MS = 30_000;

export const closeBrowser = () => browser.close();

/** A browser of its own: cookies, storage and tabs. */
export class Visitor {
  #url;

  static async arrive(url, options = {}) {
    const visitor = new Visitor();
    visitor.#url = url;
    visitor.context = await browser.newContext({ viewport: { width: 360, height: 740 }, locale: "en-GB", ...options });
    return visitor;
  }

  /** Opens a page in a new tab. */
  async visit(path) {
    const page = await this.context.newPage();
    page.errors = [];
    page.on("pageerror", (error) => page.errors.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy|TrustedHTML/i.test(message.text())) {
        page.errors.push(message.text());
      }
    });
    await page.goto(this.#url + path);
    return page;
  }

  leave() {
    return this.context.close();
  }
}

/** Waits until a page shows a state of ingest-api/src/pages/sale/sale_state.js. */
export async function shows(page, state, timeout = STATE_MS) {
  try {
    await page.locator(`body[data-state="${state}"]`).waitFor({ timeout });
  } catch (error) {
    const seen = await page.evaluate(() => document.body.innerText).catch(() => "");
    throw new Error(`the page does not show ${state} but:\n${seen}`, { cause: error });
  }
}

/** The calls that a page makes from now on. */
export function callsOf(page) {
  const calls = [];
  page.on("request", (request) => calls.push(`${request.method()} ${new URL(request.url()).pathname}`));
  return calls;
}

/** Goes back from an order to the sale. The page takes no click for this at first. */
export async function leaveOrder(page) {
  await page.waitForTimeout(3_200);
  await page.getByRole("button", { name: "Back to the sale" }).click();
}
