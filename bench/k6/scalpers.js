// Accounts of one address try everything to get ahead in the queue, from before its start on; buyers of other addresses wait for their
// turns. No account gets a unit before its turn, or more than one; every buyer gets one.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import { fieldOf, postJoin, postOrder, withTicket } from './lib/api.js';
import { common, fast, right } from './lib/options.js';
import { placeOrder } from './lib/order.js';
import { answerOf, hasBegun, joinQueue, openQueuedSale, pollQueue, queueIsFast, waitForTurn } from './lib/queue.js';
import { closeSale } from './lib/sale.js';
import { grouped, summaryOf, valueOf } from './lib/summary.js';
import { wholeNumber } from './lib/settings.js';

const rate = wholeNumber('RATE', 200);
const seconds = wholeNumber('SECONDS', 40);
const accounts = wholeNumber('ACCOUNTS', 1000);
const buyers = wholeNumber('BUYERS', 50);
const admitPerSecond = wholeNumber('ADMIT_PER_SECOND', 50);
const startSeconds = 10;
const scalpers = 100; // virtual users, each with as many accounts
const accountsEach = Math.ceil(accounts / scalpers);

http.setResponseCallback(http.expectedStatuses(200, 201, 202, 403, 409, 429));

const buyersWithAnOrder = new Counter('buyers_with_an_order');
const unitsOfScalpers = new Counter('units_of_scalpers');
const refusedTries = new Counter('tries_refused');
const limitedTries = new Counter('tries_limited');

export const options = {
  ...common,
  scenarios: {
    scalpers: { executor: 'constant-arrival-rate', exec: 'scalp', rate, duration: `${seconds}s`, preAllocatedVUs: scalpers, maxVUs: scalpers },
    buyers: { executor: 'per-vu-iterations', exec: 'buy', vus: buyers, iterations: 1, maxDuration: `${seconds + 30}s` },
  },
  thresholds: {
    ...right,
    ...fast(100, 250),
    ...queueIsFast,
    dropped_iterations: [`rate<${rate / 1000}`],
    buyers_with_an_order: [`count==${buyers}`],
    units_of_scalpers: [`count<=${accounts}`],
  },
};

// There is a unit for everybody, so that a buyer who gets none was overtaken.
export const setup = () => openQueuedSale('scalpers', accounts + buyers, startSeconds, admitPerSecond);

// Of this virtual user: ticket and units of each account.
const own = new Map();
let tries = 0;

export function scalp({ product }) {
  const number = exec.scenario.iterationInInstance % accountsEach;
  const account = `scalper-${exec.vu.idInTest}-${number}`;
  if (!own.has(account)) {
    const answer = join(product, account);
    if (answer.status === 201) own.set(account, { ticket: fieldOf(answer, 'ticket'), units: 0 });
    return;
  }
  tries += 1;
  [tryWithoutTicket, tryForeignTicket, tryForgedTicket, tryOwnTicket, tryToJoinAgain][tries % 5](product, account, own.get(account));
}

const fromOneAddress = { 'X-Forwarded-For': '203.0.113.7' };

function tryWithoutTicket(product, account) {
  isRefused(order(product, account, {}), 'an order without a ticket is refused', ['ticket_required', 'sale_not_open']);
}

function tryForeignTicket(product, account) {
  const [other] = [...own].find(([name]) => name !== account) ?? [];
  if (other) isRefused(order(product, account, withTicket(own.get(other).ticket)), 'the ticket of another account is refused', ['invalid_ticket', 'sale_not_open']);
}

// Somebody who joined early says that they were the first after the start.
function tryForgedTicket(product, account, { ticket }) {
  const forged = `${ticket.slice(0, 2)}${'1'.padStart(16, '0')}${ticket.slice(18)}`;
  if (forged !== ticket) isRefused(order(product, account, withTicket(forged)), 'a forged ticket is refused', ['invalid_ticket', 'sale_not_open']);
}

function tryOwnTicket(product, account, held) {
  const answer = order(product, account, withTicket(held.ticket));
  if (answer.status !== 202) {
    isRefused(answer, 'an order beyond the turn or the limit is refused', ['sale_not_open', 'not_your_turn', 'turn_over', 'user_limit_reached']);
    return;
  }
  unitsOfScalpers.add(1);
  held.units += 1;
  check(held, { 'an account gets one unit': ({ units }) => units === 1 });
  const state = pollQueue(product);
  // Before the seed is shown, only the API knows the turns of those who joined early.
  if (state && state.seed) check(state, { 'an account orders in its turn': () => hasBegun(held.ticket, state) });
}

function tryToJoinAgain(product, account, { ticket }) {
  const answer = join(product, account);
  if (answer.status !== 201) return;
  check(answer, {
    'who joins again gets the same ticket before the start, and the end of the queue after it': () => (
      fieldOf(answer, 'ticket') === ticket || fieldOf(answer, 'number') > 0
    ),
  });
}

function join(product, account) {
  const answer = answerOf(() => postJoin(product, account, fromOneAddress));
  if (answer.status === 429) limitedTries.add(1);
  check(answer, { 'an account joins, or is limited': ({ status }) => [201, 429, 0, 503].includes(status) });
  return answer;
}

// Each try has a key of its own, so that an order that is taken is another unit.
function order(product, account, ticket) {
  const key = `${account}-${tries}`;
  return answerOf(() => postOrder({ productId: product, userId: account }, key, { ...fromOneAddress, ...ticket }));
}

function isRefused(answer, what, codes) {
  if (answer.status === 0 || answer.status === 503) return;
  const code = fieldOf(answer, 'code');
  if (code === 'rate_limited') {
    limitedTries.add(1);
    return;
  }
  if (!check(answer, { [what]: ({ status }) => status >= 400 && codes.includes(code) })) {
    console.error(`${what}: the answer was ${answer.status} ${answer.body}`);
  }
  refusedTries.add(1);
}

export function buy({ product }) {
  const number = exec.scenario.iterationInTest;
  const buyer = `buyer-${number}`;
  const address = { 'X-Forwarded-For': `198.51.100.${1 + (number % 250)}` };
  sleep(1 + Math.random() * (startSeconds - 3));
  const ticket = joinQueue(product, buyer, address);
  if (!ticket || !waitForTurn(product, ticket)) return;
  for (let time = 1; time <= 5; time += 1) {
    const { outcome } = placeOrder(product, buyer, { ...address, ...withTicket(ticket) });
    if (outcome === 'accepted' || outcome === 'replayed') {
      buyersWithAnOrder.add(1);
      return;
    }
    sleep(0.2);
  }
}

export const teardown = ({ product }) => closeSale(product);

const title = `${grouped(accounts)} accounts of one address make ${grouped(rate)} tries a second for ${seconds} s; ${grouped(buyers)} buyers`;
export const handleSummary = summaryOf('scalpers', title, (metrics) => {
  const of = (name) => grouped(valueOf(metrics, name, 'count'));
  return [
    `scalpers: ${of('units_of_scalpers')} units, ${of('tries_refused')} tries refused, ${of('tries_limited')} answered 429`,
    `buyers: ${of('buyers_with_an_order')} units`,
  ];
});
