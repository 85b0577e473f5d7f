// A rate that climbs until a threshold breaks: exit code 99 is the expected end, 0 means that PEAK was too low.
import exec from 'k6/execution';
import { Gauge } from 'k6/metrics';
import { common, endTheRun, fast, right, sent } from './lib/options.js';
import { climbing, crowdOf } from './lib/crowd.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 500);
const peak = wholeNumber('PEAK', 20000);
const seconds = wholeNumber('CLIMB_SECONDS', 300);
const stock = wholeNumber('STOCK', 1000000000);
if (peak <= rate) throw new Error(`PEAK (${peak}) must be above RATE (${rate})`);

const crowd = crowdOf({ stress: climbing(rate, peak, seconds) });
const rateAsked = new Gauge('rate_asked');

export const options = {
  ...common,
  scenarios: crowd.scenarios,
  thresholds: endTheRun({ ...right, ...fast(250, 500), ...sent(rate) }),
};

export const setup = () => ({ product: openSale('stress', stock) });

export default function (sale) {
  rateAsked.add(rate + (peak - rate) * exec.scenario.progress);
  crowd.arrive(sale);
}

export const teardown = ({ product }) => closeSale(product);

const title = `from ${grouped(rate)} to ${grouped(peak)} orders a second in ${seconds} s`;
export const handleSummary = summaryOf('stress', title, (metrics) => [
  `highest rate asked for: ${grouped(valueOf(metrics, 'rate_asked', 'max'))} orders a second`,
]);
