/**
 * What is computed of the figures of a sale: pure. Rates are the change of the sale's own numbers by Redis's clock, so it does not
 * matter which instances have answered.
 */

/** The time over which a rate is computed, and the least that says anything. */
const WINDOW_MS = 10_000;
const WINDOW_MIN_MS = 1_000;
/** One more than the highest position of those who joined before the start. */
const EARLY_END = 2 ** 52;

/** How many people joined the queue of a sale, how many of them were served, and how many wait. */
export function peopleOf(figures, queue) {
  const joined = queue.joined + figures.joinedLate;
  const served = Math.floor((queue.servedBelow / EARLY_END) * queue.joined) + queue.servedLate;
  return { joined, served, waiting: Math.max(0, joined - served) };
}

/** Units by what has become of them: paid or sold, held, left. */
export function unitsOf({ total, remaining, held = 0 }) {
  return { taken: Math.max(0, total - remaining - held), held, remaining };
}

/** The readings from which rates are computed, with one more. They begin anew if it does not fit the last one: a clock was set back, or a sale rebuilt. */
export function withReading(readings, figures, queue) {
  const reading = {
    at: Date.parse(figures.now),
    orders: figures.orders,
    served: queue ? peopleOf(figures, queue).served : 0,
  };
  const last = readings.at(-1);
  const isNext = last && reading.at >= last.at && reading.orders >= last.orders && reading.served >= last.served;
  if (!isNext) {
    return [reading];
  }
  const kept = readings.filter(({ at }) => at >= reading.at - WINDOW_MS);
  return [...kept, reading];
}

/** `{orders, served}` per second; null until there are readings that lie far enough apart. */
export function ratesOf(readings) {
  const [first, last] = [readings[0], readings.at(-1)];
  const spanMs = first ? last.at - first.at : 0;
  if (spanMs < WINDOW_MIN_MS || last.orders === null) {
    return null;
  }
  const perSecond = (name) => (1_000 * (last[name] - first[name])) / spanMs;
  return { orders: perSecond("orders"), served: perSecond("served") };
}
