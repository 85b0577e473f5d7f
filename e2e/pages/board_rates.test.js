/** The numbers that the board computes of its readings. */
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const FILE = new URL("../../ingest-api/src/pages/board/sale_rates.js", import.meta.url);
const { peopleOf, ratesOf, unitsOf, withReading } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(FILE, "utf8"))}`);

const START = Date.parse("2026-11-28T12:00:00Z");
const figuresAt = (seconds, orders, joinedLate = 0) => ({ now: new Date(START + 1_000 * seconds).toISOString(), orders, joinedLate });
const queueOf = (servedBelow, servedLate) => ({ joined: 1_000, servedBelow: servedBelow * 2 ** 52, servedLate });

/** What is kept of these readings, `[seconds, orders]` each. */
const readingsOf = (...all) => all.reduce((readings, [seconds, orders]) => withReading(readings, figuresAt(seconds, orders), null), []);

test("a rate is the change of the orders by the time of Redis, over the last ten seconds", () => {
  assert.equal(ratesOf([]), null);
  assert.equal(ratesOf(readingsOf([0, 5])), null);
  assert.equal(ratesOf(readingsOf([0, 5], [0.5, 9])), null);
  assert.equal(ratesOf(readingsOf([0, 5], [2, 45])).orders, 20);
  assert.equal(ratesOf(readingsOf([0, 0], [2, 1_000], [9, 1_000], [12, 1_000], [14, 1_010])).orders, 2);
});

test("a clock that was set back, orders that are fewer and a long pause begin anew", () => {
  for (const odd of [[1, 50], [4, 4], [60, 50]]) {
    const readings = readingsOf([0, 5], [2, 45], odd);
    assert.equal(readings.length, 1, `${odd}`);
    assert.equal(ratesOf(readings), null);
  }
});

test("a sale that Redis no longer has has no rate", () => {
  assert.equal(ratesOf(readingsOf([0, 5], [2, null], [4, null])), null);
});

test("people who joined early are served in part, late ones by their numbers", () => {
  assert.deepEqual(peopleOf(figuresAt(0, 0, 40), queueOf(0.25, 0)), { joined: 1_040, served: 250, waiting: 790 });
  assert.deepEqual(peopleOf(figuresAt(0, 0, 40), queueOf(1, 30)), { joined: 1_040, served: 1_030, waiting: 10 });
  const readings = [[0, 0.25], [2, 0.5]].reduce((all, [at, below]) => withReading(all, figuresAt(at, 0), queueOf(below, 0)), []);
  assert.equal(ratesOf(readings).served, 125);
});

test("units are paid, held or left", () => {
  assert.deepEqual(unitsOf({ total: 10, remaining: 4, held: 5 }), { taken: 1, held: 5, remaining: 4 });
  assert.deepEqual(unitsOf({ total: 10, remaining: 4 }), { taken: 6, held: 0, remaining: 4 });
});
