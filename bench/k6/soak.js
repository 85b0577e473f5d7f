// A moderate rate for long: what leaks, fills up or grows slow shows here and nowhere else.
import { common, fast, right, sent } from './lib/options.js';
import { arrive, steady } from './lib/crowd.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 500);
const duration = text('DURATION', '10m');
const stock = wholeNumber('STOCK', 1000000000);

export const options = {
  ...common,
  scenarios: { soak: steady(rate, duration) },
  thresholds: { ...right, ...fast(100, 250), ...sent(rate) },
};

export const setup = () => ({ product: openSale('soak', stock) });
export default arrive;
export const teardown = ({ product }) => closeSale(product);
export const handleSummary = summaryOf('soak', `${grouped(rate)} orders a second for ${duration}`);
