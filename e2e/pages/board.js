/** What the tests of the board do with its page. */
import { ADMIN_TOKEN } from "./deployment.js";
import { watch } from "./fixture.js";

/** Somebody of the shop opens the board and signs in. */
export async function watchSignedIn(t, products, options) {
  const page = await watch(t, products, options);
  await signIn(page, ADMIN_TOKEN);
  await page.locator('body[data-state="signed_in"]').waitFor();
  return page;
}

export async function signIn(page, token) {
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** The card of a sale. */
export const cardOf = (page, product) => page.locator(`article[data-product="${product}"]`);

/** Waits until a figure of a sale has a value. */
export function figure(page, product, name, value) {
  const rows = cardOf(page, product).locator("dl > div");
  const row = rows.filter({ has: page.getByText(name, { exact: true }) });
  return row.locator("dd > span:first-child").getByText(value, { exact: true }).waitFor();
}

/** Presses a button of a sale, whose confirmation it returns. */
export async function ask(page, product, name) {
  await cardOf(page, product).getByRole("button", { name }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  return dialog;
}
