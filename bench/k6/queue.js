// A sale with a queue: most buyers join before the start, the others soon after it; all poll as the API says, and order in their turns.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { getProduct, withTicket } from './lib/api.js';
import { common, fast, right } from './lib/options.js';
import { placeOrder, wasAnswered } from './lib/order.js';
import { joinQueue, openQueuedSale, queueIsFast, sinceTurnMs, waitForTurn } from './lib/queue.js';
import { closeSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { wholeNumber } from './lib/settings.js';

const stock = wholeNumber('STOCK', 300);
const buyers = wholeNumber('BUYERS', 1000);
const admitPerSecond = wholeNumber('ADMIT_PER_SECOND', 30);
const startSeconds = wholeNumber('START_SECONDS', 10);
const lateShare = 0.2;
const lateSeconds = 5;
const triesMax = 5;
if (buyers < stock) throw new Error(`BUYERS (${buyers}) must be at least STOCK (${stock}): each of them buys one unit`);
const runSeconds = startSeconds + Math.ceil(buyers / admitPerSecond) + 60;

const buyersWithAnOrder = new Counter('buyers_with_an_order');
const turnSeenAfter = new Trend('turn_seen_after', true);

export const options = {
  ...common,
  scenarios: { crowd: { executor: 'per-vu-iterations', vus: buyers, iterations: 1, maxDuration: `${runSeconds}s` } },
  thresholds: {
    ...right,
    ...fast(500, 1000),
    ...queueIsFast,
    // A poll comes at most 6 s after the one before, and a cache may add 3 s.
    turn_seen_after: ['max<10000'],
    buyers_with_an_order: [`count==${stock}`],
  },
};

export const setup = () => openQueuedSale('queue', stock, startSeconds, admitPerSecond);

export default function ({ product, opensAt }) {
  const buyer = `buyer-${exec.vu.idInTest}`;
  const isLate = Math.random() < lateShare;
  const joinsAt = isLate ? opensAt + 1000 * lateSeconds * Math.random() : opensAt - 1000 * (startSeconds - 2) * Math.random();
  sleep(Math.max(0, joinsAt - Date.now()) / 1000);
  const ticket = joinQueue(product, buyer);
  if (!ticket) return;
  const state = waitForTurn(product, ticket);
  if (!state) return;
  turnSeenAfter.add(sinceTurnMs(ticket, state));
  const { outcome } = orderUntilAnswered(product, buyer, ticket);
  if (outcome === 'accepted' || outcome === 'replayed') buyersWithAnOrder.add(1);
}

// A 503 or a timeout says nothing about the order; a retry with the same key does.
function orderUntilAnswered(product, buyer, ticket) {
  for (let tries = 1; ; tries += 1) {
    const answer = placeOrder(product, buyer, withTicket(ticket));
    if (wasAnswered(answer) || tries === triesMax) return answer;
    sleep(0.2);
  }
}

export function teardown({ product }) {
  sleep(0.5); // the API's answer may be 250 ms old
  const sale = getProduct(product).json();
  check(sale, { 'the whole stock was sold': () => sale.total === stock && sale.remaining === 0 });
  closeSale(product);
}

const title = `${grouped(stock)} units, ${grouped(buyers)} buyers, ${grouped(admitPerSecond)} let through a second`;
export const handleSummary = summaryOf('queue', title, (metrics) => {
  const of = (name, stat) => grouped(valueOf(metrics, name, stat));
  return [
    `${of('buyers_with_an_order', 'count')} buyers have an order`,
    `${of('poll_duration', 'count')} polls: ${of('poll_duration', 'p(95)')} ms (p95), ${of('poll_duration', 'p(99)')} ms (p99)`,
    `a turn was seen after ${of('turn_seen_after', 'med')} ms (p50), at most ${of('turn_seen_after', 'max')} ms`,
  ];
});
