// Buyers who arrive at a rate, whatever became of those before them (open model). Each places one order.
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { placeOrder } from './order.js';
import { timeout, wholeNumber } from './settings.js';

// crowdOf: k6's scenarios and the function that each of their buyers runs.
export function crowdOf(phases) {
  const scenarios = Object.fromEntries(Object.entries(phases).map(([name, { scenario }]) => [name, scenario]));
  return { scenarios, arrive: ({ product }) => arrive(product, phases[exec.scenario.name]) };
}

// `dueSeconds`: when an order is due by its number, counted from the start of its phase.
export function steady(ratePerSecond, duration, startTime = '0s') {
  return {
    scenario: { executor: 'constant-arrival-rate', rate: ratePerSecond, duration, startTime, ...room(ratePerSecond) },
    dueSeconds: (number) => number / ratePerSecond,
  };
}

export function climbing(fromPerSecond, toPerSecond, seconds) {
  const stages = [{ target: toPerSecond, duration: `${seconds}s` }];
  const climb = (toPerSecond - fromPerSecond) / seconds;
  return {
    scenario: { executor: 'ramping-arrival-rate', startRate: fromPerSecond, stages, ...room(toPerSecond) },
    dueSeconds: (number) => (Math.sqrt(fromPerSecond ** 2 + 2 * climb * number) - fromPerSecond) / climb,
  };
}

// k6 does not say when it falls behind as long as virtual users are free: it sends later, and so less than was asked for.
const sentLate = new Trend('order_sent_late', true);

// One order in twenty is a retry of the order ten before.
function arrive(product, { dueSeconds }) {
  const { name, iterationInTest, startTime } = exec.scenario;
  sentLate.add(Date.now() - startTime - 1000 * dueSeconds(iterationInTest));
  const number = iterationInTest % 20 === 19 ? iterationInTest - 10 : iterationInTest;
  placeOrder(product, `${name}-${number}`);
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
