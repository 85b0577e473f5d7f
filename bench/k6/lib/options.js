// What all scenarios have in common, and the thresholds that decide k6's exit code (99 where one is broken).
import http from 'k6/http';
import { wholeNumber } from './settings.js';

// A refusal because nothing is left is an answer like any other, no failed request.
http.setResponseCallback(http.expectedStatuses(200, 201, 202, 409));

export const common = {
  throw: true, // a request without an answer: caught and counted, instead of a line in the log each
  summaryTrendStats: ['count', 'min', 'avg', 'med', 'p(95)', 'p(99)', 'max'],
  // Without the texts of errors and addresses, of which there is no end.
  systemTags: ['name', 'method', 'status', 'scenario', 'group', 'check', 'expected_response', 'error_code'],
};

export const right = { checks: ['rate==1'], http_req_failed: ['rate<0.001'] };

// Of all orders, or of those of one phase. `P95_MS` and `P99_MS` say otherwise.
export function fast(p95Ms, p99Ms, phase) {
  const limits = [`p(95)<${wholeNumber('P95_MS', p95Ms)}`, `p(99)<${wholeNumber('P99_MS', p99Ms)}`];
  return { [phase ? `order_duration{scenario:${phase}}` : 'order_duration']: limits };
}

// A dropped iteration is an order that was never sent because all virtual users waited for answers. With many of them, or
// of orders that were sent late, the load was smaller than asked for, and the latencies are too good to be true.
export function sent(ratePerSecond) {
  return { dropped_iterations: [`rate<${ratePerSecond / 1000}`], order_sent_late: [`p(95)<${wholeNumber('LATE_MS', 100)}`] };
}

export function endTheRun(thresholds) {
  const ending = (threshold) => ({ threshold, abortOnFail: true, delayAbortEval: '5s' });
  return Object.fromEntries(Object.entries(thresholds).map(([metric, limits]) => [metric, limits.map(ending)]));
}
