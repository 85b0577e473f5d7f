// Buyers who arrive at a given rate, however slowly earlier ones are answered (open model). Each places one order.
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { placeOrder } from './order.js';
import { timeout, wholeNumber } from './settings.js';

// crowdOf returns k6's scenarios and the function that each of their buyers runs.
export function crowdOf(phases) {
  const scenarios = Object.fromEntries(Object.entries(phases).map(([name, { scenario }]) => [name, scenario]));
  return { scenarios, arrive: ({ product }) => arrive(product, phases[exec.scenario.name]) };
}

// `dueSeconds` returns when the order with this number is due, in seconds from the start of its phase.
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

// k6 does not report that it falls behind while virtual users are free: it sends late, and so less than was requested.
const sentLate = new Trend('order_sent_late', true);

// One order in twenty is a retry of the order ten before.
function arrive(product, { dueSeconds }) {
  const { name, iterationInTest, startTime } = exec.scenario;
  sentLate.add(Date.now() - startTime - 1000 * dueSeconds(iterationInTest));
  const number = iterationInTest % 20 === 19 ? iterationInTest - 10 : iterationInTest;
  placeOrder(product, `${name}-${number}`);
}

// Virtual users: from the start enough for a stall of half a second, because k6 drops orders while it creates more, and
// at most enough for two seconds. Orders beyond that, or beyond the memory of a small machine, are dropped, and the run
// fails.
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
