// Buyers who arrive at a rate, whatever became of those before them (open model). Each places one order.
import exec from 'k6/execution';
import { placeOrder } from './order.js';
import { timeout, wholeNumber } from './settings.js';

export function steady(ratePerSecond, duration, startTime = '0s') {
  return { executor: 'constant-arrival-rate', rate: ratePerSecond, duration, startTime, ...room(ratePerSecond) };
}

export function climbing(fromPerSecond, toPerSecond, duration) {
  const stages = [{ target: toPerSecond, duration }];
  return { executor: 'ramping-arrival-rate', startRate: fromPerSecond, stages, ...room(toPerSecond) };
}

// Virtual users for answers that take 100 ms, and more when needed, for a stall of a second. Beyond that, and beyond what
// the memory of a small machine holds, k6 drops orders, and the run fails for it (lib/options.js).
const virtualUsersMost = 3000;

function room(ratePerSecond) {
  const preAllocatedVUs = wholeNumber('VUS', Math.max(20, Math.ceil(ratePerSecond / 10)));
  const maxVUs = Math.max(preAllocatedVUs, wholeNumber('MAX_VUS', Math.min(virtualUsersMost, Math.max(200, ratePerSecond))));
  return { preAllocatedVUs, maxVUs, gracefulStop: timeout };
}

// One order in twenty is a retry of the order ten before.
export function arrive({ product }) {
  const { name, iterationInTest } = exec.scenario;
  const number = iterationInTest % 20 === 19 ? iterationInTest - 10 : iterationInTest;
  placeOrder(product, `${name}-${number}`);
}
