// Event streams that are dropped after a moment and come again, over new connections, while the sale takes orders: no stream is
// refused, and the orders stay fast.
import { check } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { followSale, getProduct } from './lib/api.js';
import { crowdOf, steady } from './lib/crowd.js';
import { common, fast, right, sent } from './lib/options.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 200);
const clients = wholeNumber('CLIENTS', 200);
const duration = text('DURATION', '1m');
const openMsMax = 2000;

const streams = new Counter('streams_opened');
const orders = crowdOf({ orders: steady(rate, duration) });

export const options = {
  ...common,
  scenarios: {
    clients: { executor: 'constant-vus', exec: 'follow', vus: clients, duration, gracefulStop: '5s' },
    orders: { ...orders.scenarios.orders, exec: 'order' },
  },
  thresholds: { ...right, ...fast(100, 250), ...sent(rate), streams_opened: ['count>0'] },
};

export const setup = () => ({ product: openSale('reconnect-churn', 1000000000) });

// A client that comes back reads the sale, and then follows it.
export function follow({ product }) {
  const sale = getProduct(product);
  check(sale, { 'the sale is there': ({ status }) => status === 200 });
  const outcome = statusOf(product, 1 + Math.floor(openMsMax * Math.random()));
  streams.add(1);
  const isOpen = check(outcome, { 'a stream is open until it is dropped': () => outcome === 0 });
  if (!isOpen && exec.vu.idInTest < 4) console.error(`a stream was answered ${outcome}`);
}

function statusOf(product, ms) {
  try {
    return followSale(product, ms);
  } catch (error) {
    return error.message || `${error}`;
  }
}

export const order = orders.arrive;
export const teardown = ({ product }) => closeSale(product);

const title = `${grouped(clients)} clients with streams that are dropped after up to ${openMsMax} ms, ${grouped(rate)} orders a second for ${duration}`;
export const handleSummary = summaryOf('reconnect-churn', title, (metrics) => [
  `${grouped(valueOf(metrics, 'streams_opened', 'count'))} streams were opened and dropped`,
]);
