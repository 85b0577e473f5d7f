// One answer of every kind, each as docs/API.md has it.
import { check, sleep } from 'k6';
import http from 'k6/http';
import { getOrder, getProduct, postOrder, putProduct } from './lib/api.js';
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
  const orderId = accepted.json('orderId');
  check(accepted, {
    '202: an order is taken': ({ status }) => status === 202,
    'it has a Location': ({ headers }) => headers.Location === `/orders/${orderId}`,
    'it is accepted': (answer) => ['accepted', 'reserved'].includes(answer.json('status')),
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

  check(postOrder({ ...ada, userId: 'bob' }, 'one'), {
    '202: the last unit is sold': ({ status }) => status === 202,
  });
  isRefused(postOrder({ ...ada, userId: 'eve' }, 'one'), 409, 'sold_out');
  isReplay('a retry is the same order, also while sold out', postOrder(ada, 'one'), orderId);

  check(orderOnceConfirmed(orderId), {
    '200: an order is found': ({ status }) => status === 200,
    'it is the buyer\'s own': (answer) => answer.json('userId') === 'ada',
    'it is confirmed': (answer) => answer.json('status') === 'confirmed',
  });
  check(getProduct(product), {
    '200: a product is found': ({ status }) => status === 200,
    'nothing is left': (answer) => answer.json('remaining') === 0 && answer.json('total') === stock,
    'it is sold out': (answer) => answer.json('status') === 'sold_out',
  });
}

function isReplay(what, answer, orderId) {
  check(answer, {
    [`202: ${what}`]: ({ status, headers }) => status === 202 && headers['Idempotency-Replayed'] === 'true'
      && answer.json('orderId') === orderId,
  });
}

function isRefused(answer, status, code) {
  check(answer, {
    [`${status}: ${code}`]: () => answer.status === status && answer.json('code') === code
      && answer.headers['Content-Type'] === 'application/problem+json',
  });
}

function orderOnceConfirmed(orderId) {
  for (let tries = 1; ; tries += 1) {
    const answer = getOrder(orderId);
    if (answer.json('status') === 'confirmed' || tries === confirmTries) return answer;
    sleep(0.1);
  }
}

export const teardown = ({ product }) => closeSale(product);
export const handleSummary = summaryOf('smoke', 'one answer of every kind');
