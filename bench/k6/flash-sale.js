// A small stock and many buyers at once. At the end exactly the stock must be sold.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { getOrder, getProduct } from './lib/api.js';
import { common, fast, right } from './lib/options.js';
import { placeOrder, wasAnswered } from './lib/order.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { wholeNumber } from './lib/settings.js';

const stock = wholeNumber('STOCK', 100);
const buyers = wholeNumber('BUYERS', 1000);
const triesMax = 5;
const confirmSeconds = 10;
if (buyers < stock) throw new Error(`BUYERS (${buyers}) must be at least STOCK (${stock}): each of them buys one unit`);

const buyersWithAnOrder = new Counter('buyers_with_an_order');
const confirmedAfter = new Trend('order_confirmed_after', true);

export const options = {
  ...common,
  // Starting all buyers at once is a closed model: there is no rate to keep.
  scenarios: { crowd: { executor: 'per-vu-iterations', vus: buyers, iterations: 1, maxDuration: '1m' } },
  thresholds: { ...right, ...fast(2000, 5000), buyers_with_an_order: [`count==${stock}`] },
};

export const setup = () => ({ product: openSale('flash-sale', stock) });

export default function ({ product }) {
  const buyer = `buyer-${exec.vu.idInTest}`;
  const first = orderUntilAnswered(product, buyer);
  const retry = orderUntilAnswered(product, buyer);
  check(retry, { 'a retry is given the same answer': () => isSame(first, retry) });
  if (retry.orderId === undefined) return;
  buyersWithAnOrder.add(1);
  followUntilConfirmed(retry.orderId, buyer);
}

// A 503 or a timeout says nothing about the order; a retry with the same key does.
function orderUntilAnswered(product, buyer) {
  for (let tries = 1; ; tries += 1) {
    const answer = placeOrder(product, buyer);
    if (wasAnswered(answer) || tries === triesMax) return answer;
    sleep(0.2);
  }
}

function isSame(first, retry) {
  return retry.outcome === (first.outcome === 'sold_out' ? 'sold_out' : 'replayed') && retry.orderId === first.orderId;
}

// A poll is repeated, so a single failed answer does not matter.
function orderNow(orderId) {
  try {
    return getOrder(orderId).json();
  } catch {
    return {};
  }
}

// The answer names the buyer, so this also finds an order that two buyers were given.
function followUntilConfirmed(orderId, buyer) {
  const started = Date.now();
  let order;
  do {
    sleep(0.1);
    order = orderNow(orderId);
  } while (order.status !== 'confirmed' && Date.now() - started < confirmSeconds * 1000);
  confirmedAfter.add(Date.now() - started);
  check(order, {
    'an order is its buyer\'s own': () => order.userId === buyer,
    [`an order is confirmed within ${confirmSeconds} s`]: () => order.status === 'confirmed',
  });
}

export function teardown({ product }) {
  sleep(0.5); // the API's answer may be 250 ms old
  const sale = getProduct(product).json();
  check(sale, {
    'the whole stock was sold': () => sale.total === stock && sale.remaining === 0,
    'the sale is sold out': () => sale.status === 'sold_out',
  });
  closeSale(product);
}

const title = `${grouped(stock)} units, ${grouped(buyers)} buyers at once, each asks twice`;
export const handleSummary = summaryOf('flash-sale', title, (metrics) => {
  const confirmed = (stat) => grouped(valueOf(metrics, 'order_confirmed_after', stat));
  return [
    `${grouped(valueOf(metrics, 'buyers_with_an_order', 'count'))} buyers have an order`,
    `seen confirmed by polling every 100 ms: after ${confirmed('med')} ms (p50), at most ${confirmed('max')} ms`,
  ];
});
