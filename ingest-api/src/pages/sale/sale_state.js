/**
 * What the page shows, computed from what is known: pure. Texts are named by their keys in the texts files.
 *
 * A state is `{name, args, figure, progress, estimate, action, quantityMax, step, payUrl}`; `name` chooses headline and explanation.
 */
import { estimateRange } from "./queue_place.js";

/** Orders of a sale without a limit per user. */
const QUANTITY_MAX = 10;
/** After so many calls without an answer, the page says so. */
const FAILURES_SHOWN = 2;
/** An empty bar looks as if nothing happened. */
const PROGRESS_MIN = 0.03;

/** The state of the page at a time of the server's clock. */
export function stateOf(view) {
  const { facts, order } = view;
  if (order) {
    return orderState(view);
  }
  if (facts.isUnknownProduct) {
    return { name: "unknown" };
  }
  if (!facts.sale) {
    return { name: "loading" };
  }
  return facts.sale.queue ? queueState(view) : saleState(view);
}

/** Whether the server seems to be away. */
export function isUnavailable({ failures }) {
  return Math.max(failures.sale, failures.order) >= FAILURES_SHOWN;
}

/** What the buyer does, in this order, as far as the sale has it. */
export function stepsOf({ sale }) {
  const queue = sale.queue ? ["join", "wait"] : ["start"];
  return [...queue, "buy", ...(sale.holdSeconds ? ["pay"] : []), "done"];
}

function saleState(view) {
  const { sale } = view.facts;
  const opensAt = Date.parse(sale.opensAt);
  if (sale.status === "scheduled" && opensAt > view.now) {
    return { name: "scheduled", step: "start", figure: countdown("startsIn", opensAt) };
  }
  return withoutTurns(sale);
}

/** A sale that has begun, and whose orders need no turns. */
function withoutTurns(sale) {
  const isOpen = ["open", "scheduled"].includes(sale.status);
  if (!isOpen) {
    return { name: sale.status, step: "buy" };
  }
  return { name: "open", step: "buy", action: "buy", ...unitsLeft(sale.remaining), ...quantities(sale) };
}

function queueState(view) {
  const { sale, queue } = view.facts;
  const opensAt = Date.parse(sale.opensAt);
  const state = queue?.state ?? sale.status;
  if (state === "closed") {
    return { name: "closed", step: "buy" };
  }
  if (state === "scheduled" && opensAt > view.now) {
    return beforeStart(view, opensAt);
  }
  if (queue?.mode === "pass") {
    return withoutTurns({ ...sale, status: state, remaining: queue.remaining });
  }
  if (!view.ticket) {
    return withoutTicket(view, state);
  }
  const { place } = view.facts;
  if (!place || state === "scheduled") {
    return { name: queue?.seed ? "finding" : "drawing", step: "wait" };
  }
  if (place.turn === "waiting") {
    return waiting(view, state);
  }
  return place.turn === "over" ? turnOver(view) : turn(view, state);
}

function beforeStart(view, opensAt) {
  const { sale, queue } = view.facts;
  const joinFrom = Date.parse(sale.queue.joinFrom);
  const figure = countdown("startsIn", opensAt);
  if (view.ticket) {
    return { name: "joined", step: "wait", figure, args: { joined: queue?.joined ?? 0 } };
  }
  if (joinFrom > view.now) {
    return { name: "join_later", step: "join", figure: countdown("joinIn", joinFrom) };
  }
  return { name: "join", step: "join", figure, ...join(view) };
}

function withoutTicket(view, state) {
  const joinUntil = Date.parse(view.facts.sale.queue.joinUntil);
  if (joinUntil <= view.now) {
    return { name: "join_ended", step: "join", args: { until: joinUntil } };
  }
  const name = { all_held: "join_all_held", sold_out: "join_sold_out", paused: "join_paused" }[state] ?? "join_late";
  return { name, step: "join", ...join(view) };
}

function join({ isJoining }) {
  return { action: "join", isBusy: isJoining };
}

function waiting({ facts, aheadAtFirst }, state) {
  const { ahead, estimateMs } = facts.place;
  const stands = { all_held: "waiting_all_held", sold_out: "waiting_sold_out", paused: "waiting_paused" };
  const name = stands[state] ?? "waiting";
  const isMoving = state === "open" && Number.isFinite(estimateMs);
  return {
    name,
    step: "wait",
    figure: { label: "ahead", count: ahead },
    progress: Math.max(PROGRESS_MIN, 1 - ahead / Math.max(1, aheadAtFirst)),
    estimate: isMoving ? estimateRange(estimateMs) : null,
    args: { turnSeconds: facts.queue.turnSeconds },
  };
}

function turn(view, state) {
  const { sale, queue, place } = view.facts;
  // The turn clock stops unless the queue is open.
  if (!["open", "paused"].includes(state)) {
    return { name: state === "all_held" ? "turn_all_held" : "turn_sold_out", step: "buy" };
  }
  const { remaining } = queue;
  const shown = { step: "buy", action: "buy", ...quantities({ ...sale, remaining }), args: { count: remaining } };
  if (state === "paused") {
    return { name: "turn_paused", ...shown };
  }
  return { name: "turn", figure: countdown("turnLeft", place.turnEndsAt), ...shown };
}

function turnOver(view) {
  const joinUntil = Date.parse(view.facts.sale.queue.joinUntil);
  const canJoin = !(joinUntil <= view.now);
  return { name: canJoin ? "turn_over" : "turn_over_ended", step: "join", action: canJoin ? "again" : null };
}

function orderState({ facts, order, settings }) {
  const known = facts.order?.orderId === order.id ? facts.order : null;
  if (!order.id) {
    const name = facts.refusal?.code === "rate_limited" ? "placing_limited" : "placing";
    return { name, step: "buy", isBusy: true, action: "buy" };
  }
  if (!known) {
    return { name: "order_loading", step: "buy" };
  }
  const ended = ["expired", "cancelled", "rejected", "unknown"].includes(known.status);
  if (ended) {
    return { name: `order_${known.status}`, step: "buy", action: "forget" };
  }
  if (known.expiresAt && known.status !== "completed") {
    const figure = countdown("payWithin", Date.parse(known.expiresAt));
    const payUrl = settings.checkoutUrl?.replace("{orderId}", encodeURIComponent(order.id));
    return { name: payUrl ? "order_held" : "order_held_unlinked", step: "pay", figure, payUrl };
  }
  const isFirm = ["confirmed", "completed"].includes(known.status);
  if (!isFirm) {
    return { name: "order_accepted", step: "done" };
  }
  return { name: `order_${known.status}`, step: "end", action: mayBuyMore(facts.sale, order) ? "forget" : null };
}

function mayBuyMore(sale, { quantity }) {
  return Boolean(sale) && sale.status !== "closed" && (sale.perUserLimit ?? Infinity) > quantity;
}

function countdown(label, until) {
  return { label, until };
}

function unitsLeft(count) {
  return { figure: { label: "unitsLeft", count } };
}

function quantities({ perUserLimit, remaining }) {
  return { quantityMax: Math.max(1, Math.min(perUserLimit ?? QUANTITY_MAX, QUANTITY_MAX, remaining)) };
}
