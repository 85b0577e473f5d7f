// A constant rate of orders, which are all accepted.
import { common, fast, right, sent } from './lib/options.js';
import { crowdOf, steady } from './lib/crowd.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 1000);
const duration = text('DURATION', '1m');
const stock = wholeNumber('STOCK', 1000000000);
const crowd = crowdOf({ load: steady(rate, duration) });

export const options = {
  ...common,
  scenarios: crowd.scenarios,
  thresholds: { ...right, ...fast(100, 250), ...sent(rate) },
};

export const setup = () => ({ product: openSale('load', stock) });
export default crowd.arrive;
export const teardown = ({ product }) => closeSale(product);
export const handleSummary = summaryOf('load', `${grouped(rate)} orders a second for ${duration}`);
