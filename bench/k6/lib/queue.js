// The queue of a sale, as a buyer goes through it (docs/API.md#queue).
import { check, sleep } from 'k6';
import crypto from 'k6/crypto';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { fieldOf, getQueue, postJoin } from './api.js';
import { openSale } from './sale.js';

const joinDuration = new Trend('join_duration', true);
const pollDuration = new Trend('poll_duration', true);

const virtualUsersThatTell = 3;

// Latency thresholds of joins and polls.
export const queueIsFast = { join_duration: ['p(95)<250', 'p(99)<500'], poll_duration: ['p(95)<100', 'p(99)<250'] };

// openQueuedSale returns the product id, and when the sale starts (Unix ms).
export function openQueuedSale(scenario, stock, startSeconds, admitPerSecond) {
  const opensAt = Date.now() + 1000 * startSeconds;
  const queue = { admitPerSecond, turnSeconds: 60 };
  const product = openSale(scenario, stock, { perUserLimit: 1, opensAt: new Date(opensAt).toISOString(), queue });
  return { product, opensAt };
}

// joinQueue returns the ticket. A call without an answer is repeated: before the start it counts nobody twice, and after it somebody
// whose number was lost gets another one.
export function joinQueue(product, buyer, more = {}) {
  for (let tries = 1; tries <= 5; tries += 1) {
    const answer = answerOf(() => postJoin(product, buyer, more));
    if (answer.status === 0 || answer.status === 503) {
      sleep(0.2);
      continue;
    }
    joinDuration.add(answer.timings.blocked + answer.timings.duration);
    const isRight = check(answer, { 'a join is answered with a ticket': () => answer.status === 201 && /^[0-9a-f]{82}$/.test(fieldOf(answer, 'ticket')) });
    if (!isRight && exec.vu.idInTest <= virtualUsersThatTell) console.error(`a join was answered ${answer.status}: ${answer.body}`);
    return isRight ? fieldOf(answer, 'ticket') : undefined;
  }
  check(null, { 'a join is answered': () => false });
  return undefined;
}

// pollQueue returns the state of the queue; undefined if there was no answer.
export function pollQueue(product) {
  const answer = answerOf(() => getQueue(product));
  if (answer.status !== 200) return undefined;
  pollDuration.add(answer.timings.blocked + answer.timings.duration);
  return answer.json();
}

// waitForTurn polls as the API says, and returns the state that shows the buyer's turn; undefined if nothing is left, or the sale
// has closed.
export function waitForTurn(product, ticket) {
  let pause = [1000, 3000];
  for (;;) {
    const state = pollQueue(product);
    if (state) {
      if (hasBegun(ticket, state)) return state;
      if (['sold_out', 'closed'].includes(state.state)) return undefined;
      pause = state.pollAfterMs;
    }
    sleep((pause[0] + Math.random() * (pause[1] - pause[0])) / 1000);
  }
}

export function hasBegun(ticket, { seed, servedBelow, servedLate }) {
  return isServed(positionOf(ticket, seed), servedBelow, servedLate);
}

// sinceTurnMs returns for how long, by the turn clock, it has been the buyer's turn.
export function sinceTurnMs(ticket, { seed, clock, recent }) {
  const position = positionOf(ticket, seed);
  const [began] = recent.find(([, servedBelow, servedLate]) => isServed(position, servedBelow, servedLate));
  return clock - began;
}

function isServed({ early, late }, servedBelow, servedLate) {
  return late ? late <= servedLate : early < servedBelow;
}

// The position of somebody who joined early is unknown until the seed is shown.
function positionOf(ticket, seed) {
  const late = parseInt(ticket.slice(2, 18), 16);
  if (late > 0) return { late };
  if (!seed) return { early: Infinity };
  const mac = crypto.hmac('sha256', bytesOf(seed), bytesOf(ticket.slice(18, 50)), 'hex');
  return { early: parseInt(mac.slice(0, 13), 16) }; // the upper 52 bits
}

function bytesOf(hex) {
  return new Uint8Array(hex.match(/../g).map((byte) => parseInt(byte, 16))).buffer;
}

export function answerOf(call) {
  try {
    return call();
  } catch {
    return { status: 0 };
  }
}
