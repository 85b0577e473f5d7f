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

// Virtual users for a stall of half a second from the beginning, because k6 drops orders while it makes new ones, and for
// two seconds at most. What is beyond that, or beyond the memory of a small machine, is dropped, and the run fails for it.
const fromTheBeginning = { least: 50, most: 2000 };
const atMost = { least: 200, most: 4000 };

function room(ratePerSecond) {
  const preAllocatedVUs = wholeNumber('VUS', within(fromTheBeginning, ratePerSecond / 2));
  const maxVUs = Math.max(preAllocatedVUs, wholeNumber('MAX_VUS', within(atMost, ratePerSecond * 2)));
  return { preAllocatedVUs, maxVUs, gracefulStop: timeout };
}

function within({ least, most }, virtualUsers) {
  return Math.ceil(Math.min(most, Math.max(least, virtualUsers)));
}

// One order in twenty is a retry of the order ten before.
export function arrive({ product }) {
  const { name, iterationInTest } = exec.scenario;
  const number = iterationInTest % 20 === 19 ? iterationInTest - 10 : iterationInTest;
  placeOrder(product, `${name}-${number}`);
}
