// Places orders and classifies the answers. Each outcome has its own trend, with count and latency.
import { check } from 'k6';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { fieldOf, postOrder } from './api.js';

export const outcomes = ['accepted', 'replayed', 'sold_out', 'unavailable', 'no_answer', 'unexpected'];
const answered = ['accepted', 'replayed', 'sold_out'];
// From the start of the call to the answer, including the time to open a connection, which http_req_duration excludes.
const duration = new Trend('order_duration', true);
const durations = Object.fromEntries(outcomes.map((outcome) => [outcome, new Trend(`orders_${outcome}`, true)]));

// placeOrder returns the outcome, and the order's id if there is one. The key depends only on the buyer, so a second call
// is a retry.
export function placeOrder(product, buyer, more = {}) {
  const started = Date.now();
  let answer;
  try {
    answer = postOrder({ productId: product, userId: buyer }, `key-of-${buyer}`, more);
  } catch (error) {
    count('no_answer', Date.now() - started);
    tellOnce('was not answered', error.message || error);
    return { outcome: 'no_answer' };
  }
  const orderId = fieldOf(answer, 'orderId');
  const outcome = outcomeOf(answer, orderId);
  count(outcome, answer.timings.blocked + answer.timings.duration);
  check(outcome, { 'an answer of the contract': () => outcome !== 'unexpected' });
  if (!answered.includes(outcome)) tellOnce(`was answered ${answer.status}`, answer.body);
  return { outcome, orderId };
}

export function wasAnswered({ outcome }) {
  return answered.includes(outcome);
}

function count(outcome, milliseconds) {
  duration.add(milliseconds);
  durations[outcome].add(milliseconds);
}

function outcomeOf(answer, orderId) {
  if (answer.status === 202 && orderId) return answer.headers['Idempotency-Replayed'] === 'true' ? 'replayed' : 'accepted';
  if (answer.status === 409 && fieldOf(answer, 'code') === 'sold_out') return 'sold_out';
  if (answer.status === 503) return 'unavailable';
  return 'unexpected';
}

// Only the first virtual users log such an answer, each kind once: a broken API would otherwise flood the terminal. The
// trends have the counts.
const virtualUsersThatTell = 3;
const told = new Set();

function tellOnce(what, detail) {
  if (exec.vu.idInTest > virtualUsersThatTell || told.has(what)) return;
  told.add(what);
  console.error(`an order ${what}: ${detail}`);
}
