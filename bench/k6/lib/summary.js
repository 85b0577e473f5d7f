// The summary of a run: all of k6's figures as JSON, and the most important ones as text.
import { outcomes } from './order.js';
import { apiUrls, resultsFolder } from './settings.js';

// summaryOf returns a handleSummary function. `remarks` may add lines, from k6's metrics.
export function summaryOf(scenario, title, remarks = () => []) {
  return (data) => {
    const text = data.setup_data ? written(scenario, title, data, remarks) : `${scenario}: did not start\n`;
    return {
      stdout: `\n${text}`,
      [`${resultsFolder}/${scenario}.txt`]: text,
      [`${resultsFolder}/${scenario}.json`]: JSON.stringify({ scenario, title, date: new Date(), ...data }, null, 2),
    };
  };
}

function written(scenario, title, data, remarks) {
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const sections = [
    [`${scenario}: ${title}`, `${apiUrls.join(', ')}; ${data.setup_data.product}; ${date} UTC`],
    answers(data),
    [...totals(data.metrics), ...remarks(data.metrics)],
    checksOf(data.root_group),
    thresholds(data.metrics),
  ];
  return sections.filter((lines) => lines.length).map((lines) => `${lines.join('\n')}\n`).join('\n');
}

function answers({ metrics, state }) {
  const rows = outcomes.filter((outcome) => valueOf(metrics, `orders_${outcome}`, 'count'));
  if (rows.length === 0) return [];
  const seconds = state.testRunDurationMs / 1000;
  const head = columns('orders', ['count', 'per second', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms']);
  return [head, ...rows.map((outcome) => {
    const { values } = metrics[`orders_${outcome}`];
    const latencies = ['med', 'p(95)', 'p(99)', 'max'].map((stat) => values[stat].toFixed(2));
    return columns(outcome, [grouped(values.count), (values.count / seconds).toFixed(1), ...latencies]);
  })];
}

function totals(metrics) {
  const dropped = valueOf(metrics, 'dropped_iterations', 'count');
  const requests = grouped(valueOf(metrics, 'http_reqs', 'count'));
  const lines = [`${requests} requests, ${percent(valueOf(metrics, 'http_req_failed', 'rate'))} failed`];
  if (dropped) {
    lines.push(`${grouped(dropped)} orders were due and never sent: no virtual user was free (VUS, MAX_VUS)`);
  }
  if (metrics.order_sent_late) {
    const late = (stat) => grouped(valueOf(metrics, 'order_sent_late', stat));
    lines.push(`sent after they were due: ${late('p(95)')} ms (p95), at most ${late('max')} ms`);
  }
  return lines;
}

function checksOf({ checks, groups }) {
  const own = checks.map(({ name, passes, fails }) => (
    fails ? `FAILED  ${name}: ${grouped(fails)} of ${grouped(passes + fails)} times` : `ok      ${name}`
  ));
  return own.concat(...groups.map(checksOf));
}

function thresholds(metrics) {
  const lines = [];
  for (const name of Object.keys(metrics).sort()) {
    for (const [limit, { ok }] of Object.entries(metrics[name].thresholds || {}).sort()) {
      const stat = limit.match(/^[a-z]+(\([0-9.]+\))?/)[0];
      const is = metrics[name].values[stat] ?? 0;
      const rounded = is < 100 ? Number(is.toPrecision(3)) : Math.round(is);
      lines.push(`${ok ? 'ok    ' : 'BROKEN'}  ${name}: ${limit}, is ${rounded}`);
    }
  }
  return lines;
}

export function valueOf(metrics, name, stat) {
  return metrics[name] ? metrics[name].values[stat] : 0;
}

export function grouped(number) {
  return Math.round(number).toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

function percent(share) {
  return `${Number((100 * share).toFixed(3))} %`;
}

function columns(name, values) {
  return name.padEnd(12) + values.map((value) => value.padStart(12)).join('');
}
