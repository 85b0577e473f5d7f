// A sale with holds: buyers arrive at a constant rate, order, and pay. One in five does not pay, and the unit goes to somebody else.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { completeOrder, fieldOf, getProduct } from './lib/api.js';
import { common, fast, right } from './lib/options.js';
import { placeOrder } from './lib/order.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 50);
const duration = text('DURATION', '1m');
const stock = wholeNumber('STOCK', 1000);
const holdSeconds = wholeNumber('HOLD_SECONDS', 5);
const graceSeconds = 1;
const completeSeconds = 10;
const expirySeconds = 15;
// Payments take 1 to 3 s: so many buyers are in the checkout at the same time.
const inCheckout = Math.ceil(4 * rate);

const completions = new Counter('orders_completed');
const unpaid = new Counter('orders_not_paid');
const completedAfter = new Trend('completion_duration', true);

export const options = {
  ...common,
  scenarios: {
    checkout: { executor: 'constant-arrival-rate', rate, duration, preAllocatedVUs: inCheckout, maxVUs: 2 * inCheckout, gracefulStop: '30s' },
  },
  thresholds: { ...right, ...fast(100, 250), completion_duration: ['p(95)<500'], dropped_iterations: [`rate<${rate / 1000}`] },
};

export const setup = () => ({ product: openSale('checkout', stock, { holdSeconds, holdGraceSeconds: graceSeconds }) });

export default function ({ product }) {
  const { outcome, orderId } = placeOrder(product, `buyer-${exec.scenario.iterationInTest}`);
  if (outcome !== 'accepted') return;
  sleep(1 + 2 * Math.random());
  if (Math.random() < 0.2) {
    unpaid.add(1);
    return;
  }
  completeUntilWritten(orderId);
}

// 202: the completion counts, and its row is not written yet. Only 200 allows the shop to capture the payment.
function completeUntilWritten(orderId) {
  const started = Date.now();
  let answer;
  do {
    if (answer) sleep(0.1);
    answer = answerTo(orderId);
  } while (answer.status !== 200 && Date.now() - started < completeSeconds * 1000);
  completedAfter.add(Date.now() - started);
  check(answer, { 'an order that is paid in time is completed': ({ status }) => status === 200 && fieldOf(answer, 'status') === 'completed' });
  if (answer.status === 200) completions.add(1);
}

// A call without an answer is repeated.
function answerTo(orderId) {
  try {
    return completeOrder(orderId);
  } catch {
    return { status: 0 };
  }
}

export function teardown({ product }) {
  let sale;
  for (let seconds = 0; seconds < holdSeconds + graceSeconds + expirySeconds; seconds += 1) {
    sleep(1);
    sale = getProduct(product).json();
    if (sale.held === 0) break;
  }
  check(sale, { 'no unit is held in the end': ({ held }) => held === 0 });
  closeSale(product);
}

const title = `${grouped(rate)} buyers a second for ${duration}, ${grouped(stock)} units, ${holdSeconds} s to pay`;
export const handleSummary = summaryOf('checkout', title, (metrics) => {
  const after = (stat) => grouped(valueOf(metrics, 'completion_duration', stat));
  return [
    `${grouped(valueOf(metrics, 'orders_completed', 'count'))} orders were completed, ${grouped(valueOf(metrics, 'orders_not_paid', 'count'))} not paid`,
    `completed: after ${after('med')} ms (p50), ${after('p(95)')} ms (p95), at most ${after('max')} ms`,
  ];
});
