/** Answers of a server in each state of the board, for tests of how it looks. Times are relative to `now`. */

const EARLY_END = 2 ** 52;
const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];

/** The sales of each state, by its name. */
export function salesOf(now) {
  const at = (ms) => new Date(now + ms).toISOString();
  const plain = {
    productId: "sneaker-1", total: 500, remaining: 137, status: "open", opensAt: at(-MINUTE), closesAt: at(24 * HOUR),
    perUserLimit: 2, now: at(0), orders: 301, outboxEntries: 3, ledger: { sold: 363 },
  };
  const held = { ...plain, productId: "concert-hall-2026.balcony:row-12", holdSeconds: 600, held: 41, completed: 322 };
  const terms = { joinFrom: at(-HOUR), admitPerSecond: 60, turnSeconds: 300, overbook: 3 };
  const queued = { ...held, total: 12_000, remaining: 8_137, held: 641, orders: 3_301, ledger: { sold: 3_861 }, queue: terms, joinedLate: 1_204 };
  const queue = {
    state: "open", joined: 48_211, servedBelow: 0.1 * EARLY_END, servedLate: 0, admitPerSecond: 60, remaining: 8_137, held: 641,
  };
  const scheduled = {
    ...queued, status: "scheduled", opensAt: at(12.5 * MINUTE), remaining: 12_000, held: 0, orders: 0, outboxEntries: 0, ledger: { sold: 0 },
  };
  return {
    open: [{ sale: plain }],
    two: [{ sale: queued, queue }, { sale: plain }],
    scheduled: [{ sale: scheduled, queue: { ...queue, state: "scheduled", servedBelow: 0 } }],
    paused: [{ sale: queued, queue: { ...queue, state: "paused", paused: true } }],
    running: [{ sale: queued, queue: { ...queue, paused: false } }],
    all_held: [{ sale: { ...held, status: "all_held", remaining: 0 } }],
    sold_out: [{ sale: { ...plain, status: "sold_out", remaining: 0 } }],
    closed: [{ sale: { ...plain, status: "closed", closesAt: at(-30 * SECOND) } }],
    over: [{ sale: { ...plain, status: "closed", closesAt: null, orders: null, outboxEntries: null } }],
    unwritten: [{ sale: { ...plain, closesAt: null, ledger: null } }],
    unknown: [{ sale: { productId: "sneaker-2" }, status: 404 }],
    lost: [{
      sale: {
        productId: "sneaker-1", title: "A store is unavailable", detail: "Redis has lost the data of this sale", code: "unavailable",
      },
      status: 503,
    }],
  };
}

/** Lets a browser get these answers. Sales move from each answer to the next. */
export async function answerWith(context, sales) {
  const productOf = (route) => decodeURIComponent(new URL(route.request().url()).pathname.split("/")[2]);
  const find = (route) => sales.find(({ sale }) => sale.productId === productOf(route));
  let reads = 0;
  await context.route("**/products/*/figures", (route) => {
    const { sale, status = 200 } = find(route) ?? { sale: {}, status: 404 };
    reads += 1;
    const now = sale.now && new Date(Date.parse(sale.now) + 2_000 * reads).toISOString();
    const orders = sale.status === "open" ? sale.orders + 85 * reads : sale.orders;
    return route.fulfill({ status, json: { ...sale, now, orders } });
  });
  await context.route("**/queue/*", (route) => {
    const { queue } = find(route);
    const servedBelow = queue.servedBelow + (queue.servedBelow && reads * 0.0024 * EARLY_END);
    return route.fulfill({ json: { ...queue, servedBelow } });
  });
}
