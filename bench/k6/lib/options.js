// The options of all scenarios, and the thresholds that decide k6's exit code (99 if one is broken).
import http from 'k6/http';
import { wholeNumber } from './settings.js';

// A sold-out refusal (409) is not a failed request.
http.setResponseCallback(http.expectedStatuses(200, 201, 202, 409));

export const common = {
  throw: true, // requests without an answer are caught and counted, instead of logged one by one
  summaryTrendStats: ['count', 'min', 'avg', 'med', 'p(95)', 'p(99)', 'max'],
  // Without the tags for error texts and addresses: the number of their values is unbounded.
  systemTags: ['name', 'method', 'status', 'scenario', 'group', 'check', 'expected_response', 'error_code'],
};

export const right = { checks: ['rate==1'], http_req_failed: ['rate<0.001'] };

// Latency thresholds of all orders, or of those of one phase. `P95_MS` and `P99_MS` override them.
export function fast(p95Ms, p99Ms, phase) {
  const limits = [`p(95)<${wholeNumber('P95_MS', p95Ms)}`, `p(99)<${wholeNumber('P99_MS', p99Ms)}`];
  return { [phase ? `order_duration{scenario:${phase}}` : 'order_duration']: limits };
}

// A dropped iteration is an order that was never sent because all virtual users waited for answers. If many orders are
// dropped or sent late, the load was lower than requested, and the latencies look better than they are.
export function sent(ratePerSecond) {
  return { dropped_iterations: [`rate<${ratePerSecond / 1000}`], order_sent_late: [`p(95)<${wholeNumber('LATE_MS', 100)}`] };
}

export function endTheRun(thresholds) {
  const ending = (threshold) => ({ threshold, abortOnFail: true, delayAbortEval: '5s' });
  return Object.fromEntries(Object.entries(thresholds).map(([metric, limits]) => [metric, limits.map(ending)]));
}
