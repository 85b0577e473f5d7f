/** Answers of a server in each state of the page, for tests of how the page looks. Times are relative to `now`. */

const TICKET = `01${"0".repeat(16)}${"aa".repeat(16)}${"bb".repeat(16)}`;
const ORDER = "01a2186e-2353-897f-8591-ac02954ec068";
const EARLY_END = 2 ** 52;
/** Instead of an answer: there is none. */
const HANGS = "hangs";
const [MINUTE, HOUR] = [60_000, 3_600_000];

/**
 * What the server answers and the browser keeps, by the name of the state; `state` says if it is another one, and `mark` what else is shown.
 */
export function answersOf(now) {
  const at = (ms) => new Date(now + ms).toISOString();
  const sale = {
    productId: "sneaker-1", total: 500, remaining: 137, status: "open",
    opensAt: at(-MINUTE), closesAt: at(24 * HOUR), perUserLimit: 2,
  };
  const scheduled = { ...sale, status: "scheduled", opensAt: at(12.5 * MINUTE), remaining: 500 };
  const terms = { joinFrom: at(-HOUR), mode: "queue", paused: false, admitPerSecond: 60, turnSeconds: 300, overbook: 3 };
  const queued = { ...sale, queue: terms };
  const queue = {
    state: "open", mode: "queue", paused: false, now: at(0), opensAt: sale.opensAt, joined: 48_211, seedSha256: "6b".repeat(32), seed: "11".repeat(32),
    servedBelow: 0.1 * EARLY_END, servedLate: 0, clock: 60_000,
    recent: [[0, 0, 0], [30_000, 0.05 * EARLY_END, 0], [60_000, 0.1 * EARLY_END, 0]],
    admitPerSecond: 60, turnSeconds: 300, remaining: 137, pollAfterMs: [4_000, 6_000],
  };
  const before = {
    ...queue, state: "scheduled", opensAt: scheduled.opensAt, remaining: 500, seed: null, servedBelow: 0, clock: 0, recent: [],
  };
  const early = { sale: { ...scheduled, queue: terms }, queue: before };
  const waiting = { sale: queued, queue, ticket: TICKET, ahead: "48000" };
  const served = { ...queue, servedBelow: EARLY_END, recent: [[0, 0, 0], [20_000, EARLY_END, 0]] };
  const over = { ...served, clock: 400_000 };
  const order = (status, more = {}) => ({
    sale: { ...queued, ...(more.expiresAt && { holdSeconds: 600 }) }, queue, ticket: TICKET, order: { quantity: 2, id: ORDER },
    answer: { orderId: ORDER, productId: sale.productId, userId: "ada", quantity: 2, status, ...more },
  });
  const placing = { sale, order: { quantity: 2 } };
  return {
    loading: { sale: HANGS },
    unknown: {},
    scheduled: { sale: scheduled },
    open: { sale },
    all_held: { sale: { ...sale, status: "all_held", remaining: 0 } },
    sold_out: { sale: { ...sale, status: "sold_out", remaining: 0 } },
    closed: { sale: { ...sale, status: "closed" } },
    join_later: { ...early, sale: { ...scheduled, queue: { ...terms, joinFrom: at(5 * MINUTE) } } },
    join: early,
    joined: { ...early, ticket: TICKET },
    join_late: { sale: queued, queue },
    join_paused: { sale: queued, queue: { ...queue, state: "paused", paused: true } },
    join_all_held: { sale: queued, queue: { ...queue, state: "all_held", remaining: 0 } },
    join_sold_out: { sale: queued, queue: { ...queue, state: "sold_out", remaining: 0 } },
    join_ended: { sale: { ...queued, queue: { ...terms, joinUntil: sale.opensAt } }, queue },
    finding: { sale: queued, queue: { ...queue, state: "scheduled" }, ticket: TICKET },
    drawing: { sale: queued, queue: { ...queue, seed: null, servedBelow: 0, recent: [] }, ticket: TICKET },
    waiting,
    waiting_paused: { ...waiting, queue: { ...queue, state: "paused", paused: true } },
    waiting_all_held: { ...waiting, queue: { ...queue, state: "all_held", remaining: 0 } },
    waiting_sold_out: { ...waiting, queue: { ...queue, state: "sold_out", remaining: 0 } },
    turn: { ...waiting, queue: served },
    turn_paused: { ...waiting, queue: { ...served, state: "paused", paused: true } },
    turn_all_held: { ...waiting, queue: { ...served, state: "all_held", remaining: 0 } },
    turn_sold_out: { ...waiting, queue: { ...served, state: "sold_out", remaining: 0 } },
    turn_over: { ...waiting, queue: over },
    turn_over_ended: { ...waiting, queue: over, sale: { ...queued, queue: { ...terms, joinUntil: sale.opensAt } } },
    placing: { ...placing, placed: HANGS },
    placing_limited: { ...placing, placed: { status: 429, json: { code: "rate_limited" } } },
    refused: {
      ...placing, placed: { status: 409, json: { code: "user_limit_reached" } }, state: "open", mark: "#refusal:not(:empty)",
    },
    unavailable: { sale, isAway: true, state: "open", mark: "#notice" },
    order_loading: { ...order("accepted"), answer: HANGS },
    order_unknown: { ...order("accepted"), answer: { code: "unknown_order" } },
    order_accepted: order("accepted"),
    order_confirmed: order("confirmed"),
    order_held: order("confirmed", { expiresAt: at(8.5 * MINUTE) }),
    order_held_unlinked: { ...order("confirmed", { expiresAt: at(8.5 * MINUTE) }), isUnlinked: true },
    order_completed: order("completed"),
    order_expired: order("expired"),
    order_cancelled: order("cancelled"),
    order_rejected: order("rejected"),
  };
}

/** Lets a browser get these answers, and keep what belongs to them. */
export async function answerWith(context, { sale, queue, ticket, ahead, order, answer, placed, isAway, isUnlinked }) {
  const unknown = { status: 404, json: { code: "unknown_product" } };
  const away = { status: 503, json: { code: "unavailable" } };
  const found = (json) => (json?.code ? { status: 404, json } : { json });
  const answers = (path, ...given) => context.route(path, (route) => {
    const next = given.length > 1 ? given.shift() : given[0];
    return next === HANGS ? undefined : route.fulfill(next ?? unknown);
  });
  await answers("**/products/*", ...[sale === HANGS ? HANGS : sale && found(sale), isAway && away].filter(Boolean));
  await answers("**/products/*/events", unknown);
  await answers("**/queue/*", queue && found(queue));
  await answers("**/orders", placed);
  await answers("**/orders/*", answer === HANGS ? HANGS : answer && found(answer));
  if (isUnlinked) {
    await context.route("**/sales/*", withoutCheckout);
  }
  const kept = { ticket, ahead, order: order && JSON.stringify(order) };
  const entries = Object.entries(kept).filter(([, value]) => value);
  await context.addInitScript((entries) => {
    for (const [name, value] of entries) {
      localStorage.setItem(`fluxgate:sale:sneaker-1:${name}`, value);
    }
  }, entries);
}

/** The page of an instance without PAGES_CHECKOUT_URL. */
async function withoutCheckout(route) {
  const response = await route.fetch();
  const html = await response.text();
  const [, settings] = /content="([^"]*checkoutUrl[^"]*)"/.exec(html);
  const body = html.replace(settings, settings.replace(/(checkoutUrl&quot;:)&quot;.*?&quot;/, "$1null"));
  await route.fulfill({ response, body });
}
