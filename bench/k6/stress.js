// A rate that climbs until a threshold breaks: exit code 99 is the answer looked for, 0 says that PEAK was too low.
import exec from 'k6/execution';
import { Gauge } from 'k6/metrics';
import { common, endTheRun, fast, right, sent } from './lib/options.js';
import { arrive, climbing } from './lib/crowd.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { text, wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 500);
const peak = wholeNumber('PEAK', 20000);
const duration = text('DURATION', '5m');
const stock = wholeNumber('STOCK', 1000000000);

const rateAsked = new Gauge('rate_asked');

export const options = {
  ...common,
  scenarios: { stress: climbing(rate, peak, duration) },
  thresholds: endTheRun({ ...right, ...fast(250, 500), ...sent(rate) }),
};

export const setup = () => ({ product: openSale('stress', stock) });

export default function (sale) {
  rateAsked.add(rate + (peak - rate) * exec.scenario.progress);
  arrive(sale);
}

export const teardown = ({ product }) => closeSale(product);

const title = `from ${grouped(rate)} to ${grouped(peak)} orders a second in ${duration}`;
export const handleSummary = summaryOf('stress', title, (metrics) => [
  `highest rate asked for: ${grouped(valueOf(metrics, 'rate_asked', 'max'))} orders a second`,
]);
