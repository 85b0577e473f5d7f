// People in a queue reload their page again and again, while another sale takes orders: nobody loses the place, and the orders stay fast.
import { check } from 'k6';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { fieldOf, getPage, getPlace, postJoin, withTicket } from './lib/api.js';
import { crowdOf, steady } from './lib/crowd.js';
import { common, fast, right } from './lib/options.js';
import { answerOf, joinQueue, openQueuedSale, pollQueue, queueIsFast } from './lib/queue.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 200);
const orderRate = wholeNumber('ORDER_RATE', 50);
const duration = text('DURATION', '30s');
const buyers = wholeNumber('BUYERS', 200);
const hourSeconds = 3600;

const reloadDuration = new Trend('reload_duration', true);
const orders = crowdOf({ orders: steady(orderRate, duration) });

export const options = {
  ...common,
  setupTimeout: '2m',
  scenarios: {
    reloads: { executor: 'constant-arrival-rate', exec: 'reload', rate, duration, preAllocatedVUs: Math.ceil(rate / 2), maxVUs: 2 * rate },
    orders: { ...orders.scenarios.orders, exec: 'order' },
  },
  thresholds: {
    ...right,
    ...fast(100, 250),
    ...queueIsFast,
    reload_duration: ['p(95)<500', 'p(99)<1000'],
    dropped_iterations: [`rate<${(rate + orderRate) / 1000}`],
  },
};

// The queue does not start during the run: a place may not move.
export function setup() {
  const { product } = openQueuedSale('refresh-storm', buyers, hourSeconds, 1);
  const tickets = Array.from({ length: buyers }, (_, number) => joinQueue(product, `buyer-${number}`));
  return { product, tickets, orders: openSale('refresh-storm-orders', 1000000000) };
}

// What a page asks for when it is reloaded.
export function reload({ product, tickets }) {
  const number = exec.scenario.iterationInTest % buyers;
  const ticket = tickets[number];
  const started = Date.now();
  const page = answerOf(() => getPage(product));
  const state = pollQueue(product);
  const place = answerOf(() => getPlace(product, ticket));
  const joined = answerOf(() => postJoin(product, `buyer-${number}`, withTicket(ticket)));
  reloadDuration.add(Date.now() - started);
  check(page, { 'the page is there': ({ status }) => status === 200 });
  check(state, { 'the state of the queue is there': () => state !== undefined && state.state === 'scheduled' });
  check(place, { 'a ticket keeps its place': () => place.status === 200 && fieldOf(place, 'turn') === 'waiting' && fieldOf(place, 'joined') === 'early' });
  check(joined, { 'joining with a ticket returns the same one': () => joined.status === 200 && fieldOf(joined, 'ticket') === ticket });
}

export const order = (sales) => orders.arrive({ product: sales.orders });

export function teardown(sales) {
  closeSale(sales.product);
  closeSale(sales.orders);
}

const title = `${grouped(rate)} reloads and ${grouped(orderRate)} orders a second for ${duration}`;
export const handleSummary = summaryOf('refresh-storm', title, (metrics) => {
  const of = (stat) => grouped(valueOf(metrics, 'reload_duration', stat));
  return [`${of('count')} reloads: ${of('med')} ms (p50), ${of('p(95)')} ms (p95), ${of('p(99)')} ms (p99)`];
});
