// The sale of a run. Its product id is new each time, because a product id can be used for one sale only.
import exec from 'k6/execution';
import { closeProduct, putProduct } from './api.js';
import { adminToken, apiUrls } from './settings.js';

const tokenHint = '`make up` leaves the token in .local/env; elsewhere it is the ADMIN_TOKEN of the API';

// openSale returns the product id.
export function openSale(scenario, quantity, terms = {}) {
  if (adminToken === '') {
    exec.test.abort(`ADMIN_TOKEN is not set, so no sale can be opened. ${tokenHint}`);
  }
  const product = `k6-${scenario}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
  const answer = answerTo(() => putProduct(product, { quantity, ...terms }));
  if (answer.status !== 201) {
    exec.test.abort(`the sale was not opened: ${reason(answer)}`);
  }
  return product;
}

// The records of a sale expire in Redis only after the sale has closed.
export function closeSale(product) {
  const answer = answerTo(() => closeProduct(product));
  if (answer.status !== 200) {
    console.error(`${product} was not closed: ${reason(answer)}`);
  }
}

function answerTo(call) {
  try {
    return call();
  } catch (error) {
    const why = error.message || error;
    return { status: 0, body: `no answer from ${apiUrls.join(', ')}; \`make up\` starts an API here. ${why}` };
  }
}

function reason({ status, body }) {
  if (status === 0) return body;
  if (status === 401) return `the API does not take this ADMIN_TOKEN (401). ${tokenHint}`;
  if (status === 403) return 'the API was started without an ADMIN_TOKEN (403), so it takes no admin calls';
  return `${status} ${body}`;
}
