// One request for each kind of answer to placing and reading orders and reading sales in docs/API.md.
import { check, sleep } from 'k6';
import http from 'k6/http';
import { fieldOf, getOrder, getProduct, postOrder, putProduct } from './lib/api.js';
import { common } from './lib/options.js';
import { closeSale, openSale } from './lib/sale.js';
import { summaryOf } from './lib/summary.js';

const stock = 2;
const confirmTries = 50;

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 499 }));

export const options = { ...common, thresholds: { checks: ['rate==1'], http_req_failed: ['rate==0'] } };

export const setup = () => ({ product: openSale('smoke', stock) });

export default function ({ product }) {
  const ada = { productId: product, userId: 'ada' };

  const accepted = postOrder(ada, 'one');
  const orderId = fieldOf(accepted, 'orderId');
  expect(accepted, {
    '202: an order is taken': ({ status }) => status === 202,
    'it has a Location': ({ headers }) => headers.Location === `/orders/${orderId}`,
    'it is accepted': (answer) => ['accepted', 'reserved'].includes(fieldOf(answer, 'status')),
  });
  isReplay('a retry is the same order', postOrder(ada, 'one'), orderId);
  isRefused(postOrder({ ...ada, quantity: 2 }, 'one'), 422, 'idempotency_key_reused');
  isRefused(postOrder({ ...ada, quantity: 2 }, 'two'), 409, 'insufficient_stock');
  isRefused(postOrder(ada), 400, 'missing_idempotency_key');
  isRefused(postOrder({ ...ada, quantity: 0 }, 'two'), 400, 'invalid_request');
  isRefused(postOrder({ ...ada, productId: `${product}-unknown` }, 'one'), 404, 'unknown_product');
  isRefused(getProduct(`${product}-unknown`), 404, 'unknown_product');
  isRefused(getOrder('00000000-0000-8000-8000-000000000000'), 404, 'unknown_order');
  isRefused(putProduct(product, { quantity: stock }, {}), 401, 'unauthorized');

  expect(postOrder({ ...ada, userId: 'bob' }, 'one'), {
    '202: the last unit is sold': ({ status }) => status === 202,
  });
  isRefused(postOrder({ ...ada, userId: 'eve' }, 'one'), 409, 'sold_out');
  isReplay('a retry is the same order, also while sold out', postOrder(ada, 'one'), orderId);

  expect(orderOnceConfirmed(orderId), {
    '200: an order is found': ({ status }) => status === 200,
    'it is the buyer\'s own': (answer) => fieldOf(answer, 'userId') === 'ada',
    'it is confirmed': (answer) => fieldOf(answer, 'status') === 'confirmed',
  });
  expect(getProduct(product), {
    '200: a product is found': ({ status }) => status === 200,
    'nothing is left': (answer) => fieldOf(answer, 'remaining') === 0 && fieldOf(answer, 'total') === stock,
    'it is sold out': (answer) => fieldOf(answer, 'status') === 'sold_out',
  });
}

function expect(answer, conditions) {
  if (!check(answer, conditions)) console.error(`${Object.keys(conditions)[0]}: the answer was ${answer.status} ${answer.body}`);
}

function isReplay(what, answer, orderId) {
  expect(answer, {
    [`202: ${what}`]: ({ status, headers }) => status === 202 && headers['Idempotency-Replayed'] === 'true'
      && fieldOf(answer, 'orderId') === orderId,
  });
}

function isRefused(answer, status, code) {
  expect(answer, {
    [`${status}: ${code}`]: () => answer.status === status && fieldOf(answer, 'code') === code
      && answer.headers['Content-Type'] === 'application/problem+json',
  });
}

// The worker writes the order a little later.
function orderOnceConfirmed(orderId) {
  for (let tries = 1; ; tries += 1) {
    const answer = getOrder(orderId);
    if (fieldOf(answer, 'status') === 'confirmed' || tries === confirmTries) return answer;
    sleep(0.1);
  }
}

export const teardown = ({ product }) => closeSale(product);
export const handleSummary = summaryOf('smoke', 'one answer of every kind');
