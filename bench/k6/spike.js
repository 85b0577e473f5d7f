// A sudden peak: calm, rush, peak, and calm again. The second calm phase must be as fast as the first.
import { common, fast, right, sent } from './lib/options.js';
import { crowdOf, steady } from './lib/crowd.js';
import { closeSale, openSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 100);
const rush = wholeNumber('RUSH', 1000);
const peak = wholeNumber('PEAK', 5000);
const phaseSeconds = wholeNumber('PHASE_SECONDS', 15);
const stock = wholeNumber('STOCK', 10000);

const rates = { calm: rate, rush, peak, after: rate };
const phases = Object.entries(rates).map(([phase, perSecond], number) => (
  [phase, steady(perSecond, `${phaseSeconds}s`, `${number * phaseSeconds}s`)]
));
const crowd = crowdOf(Object.fromEntries(phases));
const meanRate = (rate + rush + peak + rate) / 4;

export const options = {
  ...common,
  scenarios: crowd.scenarios,
  thresholds: {
    ...right,
    ...fast(100, 250, 'calm'),
    ...fast(100, 250, 'rush'),
    ...fast(500, 1000, 'peak'),
    ...fast(100, 250, 'after'),
    ...sent(meanRate),
  },
};

export const setup = () => ({ product: openSale('spike', stock) });
export default crowd.arrive;
export const teardown = ({ product }) => closeSale(product);

const title = `${Object.values(rates).map(grouped).join(', ')} orders a second, ${phaseSeconds} s each; ${grouped(stock)} units`;
export const handleSummary = summaryOf('spike', title);
