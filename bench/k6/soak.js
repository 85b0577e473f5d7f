// A moderate rate for a long time: shows leaks, queues that fill up, and growing latency.
import { common, fast, right, sent } from './lib/options.js';
import { crowdOf, steady } from './lib/crowd.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 500);
const duration = text('DURATION', '10m');
const stock = wholeNumber('STOCK', 1000000000);
const crowd = crowdOf({ soak: steady(rate, duration) });

export const options = {
  ...common,
  scenarios: crowd.scenarios,
  thresholds: { ...right, ...fast(100, 250), ...sent(rate) },
};

export const setup = () => ({ product: openSale('soak', stock) });
export default crowd.arrive;
export const teardown = ({ product }) => closeSale(product);
export const handleSummary = summaryOf('soak', `${grouped(rate)} orders a second for ${duration}`);
