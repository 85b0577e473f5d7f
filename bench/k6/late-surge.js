// A crowd joins all at once after the start, while others are in the queue: everybody gets a higher number than those who came before,
// and polls stay fast.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { common, right } from './lib/options.js';
import { joinQueue, openQueuedSale, pollQueue, queueIsFast } from './lib/queue.js';
import { closeSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 300);
const seconds = wholeNumber('SURGE_SECONDS', 20);
const pollRate = wholeNumber('POLL_RATE', 200);
const startSeconds = 2;
const duration = `${seconds}s`;

const peopleJoined = new Counter('people_joined');

export const options = {
  ...common,
  scenarios: {
    surge: { executor: 'constant-arrival-rate', exec: 'join', rate, duration, startTime: '5s', ...room(rate) },
    polls: { executor: 'constant-arrival-rate', exec: 'poll', rate: pollRate, duration, startTime: '5s', ...room(pollRate) },
  },
  thresholds: {
    ...right,
    ...queueIsFast,
    people_joined: [`count>=${Math.floor(0.999 * rate * seconds)}`],
    dropped_iterations: [`rate<${(rate + pollRate) / 1000}`],
  },
};

function room(perSecond) {
  return { preAllocatedVUs: Math.ceil(perSecond / 2), maxVUs: 2 * perSecond };
}

export function setup() {
  const sale = openQueuedSale('late-surge', 1000000, startSeconds, 1);
  sleep(startSeconds + 1);
  return sale;
}

// The highest number that this virtual user has seen: its next one is given later.
let highest = 0;

export function join({ product }) {
  const ticket = joinQueue(product, `buyer-${exec.scenario.iterationInTest}`);
  if (!ticket) return;
  peopleJoined.add(1);
  const number = parseInt(ticket.slice(2, 18), 16);
  check(number, { 'who joins later gets a higher number': () => number > highest });
  highest = number;
}

export function poll({ product }) {
  const state = pollQueue(product);
  if (state) check(state, { 'the queue is open': () => state.state === 'open' });
}

export const teardown = ({ product }) => closeSale(product);

const title = `${grouped(rate)} joins and ${grouped(pollRate)} polls a second for ${seconds} s`;
export const handleSummary = summaryOf('late-surge', title, (metrics) => {
  const of = (name, stat) => grouped(valueOf(metrics, name, stat));
  return [
    `${of('people_joined', 'count')} have joined: ${of('join_duration', 'p(95)')} ms (p95), ${of('join_duration', 'p(99)')} ms (p99)`,
    `${of('poll_duration', 'count')} polls: ${of('poll_duration', 'p(95)')} ms (p95), ${of('poll_duration', 'p(99)')} ms (p99)`,
  ];
});
