import { backoffMs, between } from "./api.js";
import { solve } from "./proof_of_work.js";
import { Wakeable } from "./wakeable.js";

const FIRST_READ_MS = 100;
const READ_MAX_MS = 5_000;
/** The pause between reads of an order that has to be paid. */
const HELD_READ_MS = [4_000, 6_000];
/** A limit that lasts longer is a refusal. */
const LIMIT_WAITED_MS = 60_000;
/** Refusals of a join that only mean: not yet; and the text for each. */
const JOIN_LATER = new Map([["rate_limited", "join_limited"], ["join_not_open", "join_not_open"]]);
/** Refusals of a join that have a challenge to solve. */
const HAS_CHALLENGE = new Set(["work_required", "invalid_work"]);
/** Refusals of an order that only mean: not yet. */
const NOT_YET = new Set(["rate_limited", "sale_not_open"]);
/** What these are called if they last longer than anybody waits on a page. */
const LASTING = new Map([["rate_limited", "orders_limited"], ["sale_not_open", "sale_not_open_yet"]]);
/** Refusals after which the ticket is worth nothing. */
const BAD_TICKET = new Set(["ticket_required", "invalid_ticket"]);
/** What has become of the order of a key that is refused. */
const ENDED = { order_cancelled: "cancelled", order_expired: "expired", order_rejected: "rejected" };

/** Does what the buyer has asked for, however often it takes: joins the queue, places the order, follows it. */
export class OrderFeed {
  #feed;
  #product;
  #api;
  #store;
  #settings;
  #signal;
  #pause = new Wakeable();
  #readPauseMs = FIRST_READ_MS;
  /** What the next join proves. */
  #work = null;

  constructor({ feed, product, api, store, settings }) {
    this.#feed = feed;
    this.#product = product;
    this.#api = api;
    this.#store = store;
    this.#settings = settings;
  }

  async run(signal) {
    this.#signal = signal;
    while (!signal.aborted) {
      const pauseMs = await this.#act();
      await this.#pause.sleep(pauseMs, signal);
    }
  }

  wake() {
    this.#pause.wake();
  }

  /** Does the next thing; returns the pause until it looks again. */
  #act() {
    const { order, isJoining } = this.#store;
    if (order && !order.id) {
      return this.#place(order);
    }
    const { order: known } = this.#feed.facts;
    if (order && !(known?.orderId === order.id && isFinal(known))) {
      return this.#read(order.id);
    }
    if (!order && known) {
      this.#feed.update({ order: null });
    }
    return isJoining ? this.#join() : Infinity;
  }

  async #join() {
    const product = encodeURIComponent(this.#product);
    const answer = await this.#call("POST", `/queue/${product}`, {
      body: { ...this.#user(), ...(this.#work && { work: this.#work }) },
    });
    if (!answer.isAnswer) {
      return this.#again(answer);
    }
    this.#work = null;
    if (HAS_CHALLENGE.has(answer.code)) {
      return this.#solve(answer.body.challenge);
    }
    if (answer.isOk) {
      this.#feed.update({ refusal: null, place: null });
      this.#store.isJoining = false;
      this.#store.keepTicket(answer.body.ticket, this.#shownSeedSha256(answer.body));
    } else if (JOIN_LATER.has(answer.code)) {
      this.#feed.refused({ code: JOIN_LATER.get(answer.code) });
      return afterRetryTime(answer);
    } else {
      this.#store.isJoining = false;
      this.#refused(answer);
    }
    return Infinity;
  }

  async #solve(challenge) {
    this.#work = await solve(challenge, this.#signal);
    if (!this.#work && !this.#signal.aborted) {
      this.#store.isJoining = false;
      this.#feed.refused({ code: "work_not_possible" });
    }
    return 0;
  }

  async #place(order) {
    const { ticket } = this.#store;
    const answer = await this.#call("POST", "/orders", {
      headers: {
        "Idempotency-Key": `"${this.#store.orderKey}"`,
        ...(ticket && { "Fluxgate-Ticket": ticket }),
      },
      body: { productId: this.#product, quantity: order.quantity, ...this.#user() },
    });
    if (!answer.isAnswer) {
      return this.#again(answer);
    }
    if (answer.body.orderId) {
      const status = answer.isOk ? answer.body.status : ENDED[answer.code];
      this.#readPauseMs = FIRST_READ_MS;
      this.#feed.update({ refusal: null, order: { ...answer.body, status } });
      this.#store.order = { ...order, id: answer.body.orderId };
      return FIRST_READ_MS;
    }
    if (NOT_YET.has(answer.code) && answer.retryAfterMs <= LIMIT_WAITED_MS) {
      this.#feed.refused({ code: answer.code });
      return answer.code === "sale_not_open" ? afterStart(answer) : afterRetryTime(answer);
    }
    const { refusedQuantity } = this.#store;
    if (answer.code === "idempotency_key_reused" && refusedQuantity && refusedQuantity !== order.quantity) {
      // An earlier try has arrived after all.
      this.#store.order = { quantity: refusedQuantity };
      return 0;
    }
    this.#store.refuseOrder();
    this.#refused(answer);
    return Infinity;
  }

  async #read(id) {
    const answer = await this.#call("GET", `/orders/${id}`);
    if (!answer.isAnswer) {
      return this.#again(answer);
    }
    if (answer.code === "unknown_order") {
      this.#feed.update({ order: { orderId: id, status: "unknown" }, refusal: null });
      return between(...HELD_READ_MS);
    }
    if (!answer.isOk) {
      this.#refused(answer);
      return between(...HELD_READ_MS);
    }
    const order = answer.body;
    this.#feed.update({ order, refusal: null });
    this.#readPauseMs = Math.min(READ_MAX_MS, 2 * this.#readPauseMs);
    const isHeld = order.status === "confirmed" && order.expiresAt;
    return isHeld ? between(...HELD_READ_MS) : this.#readPauseMs;
  }

  /** With an identity provider, the cookie says who it is. */
  #user() {
    return this.#settings.hasIdentity ? {} : { userId: this.#store.user };
  }

  async #call(method, path, options = {}) {
    const answer = await this.#api.call(method, path, { ...options, signal: this.#signal });
    if (this.#signal.aborted) {
      // Another tab does it.
      return { isAnswer: false, isOk: false };
    }
    if (answer.isAnswer) {
      this.#feed.answered("order");
    }
    return answer;
  }

  #again({ retryAfterMs }) {
    const pauseMs = backoffMs(this.#feed.facts.failures.order, retryAfterMs);
    if (!this.#signal.aborted) {
      this.#feed.failed("order", pauseMs);
    }
    return pauseMs;
  }

  #refused({ code, status, requestId, retryAfterMs }) {
    if (BAD_TICKET.has(code)) {
      this.#store.ticket = null;
    }
    const shown = status === 401 ? "unauthorized" : (LASTING.get(code) ?? code);
    this.#feed.refused({ code: shown, requestId, until: Date.now() + retryAfterMs });
  }

  /** The SHA-256 of the seed that the buyer was shown before joining. Places of those who join after the start are not drawn. */
  #shownSeedSha256({ joined }) {
    const { queue } = this.#feed.facts;
    return joined === "early" && queue ? queue.seedSha256 : null;
  }
}

/** Whether an order stays as it is, as far as its buyer is concerned. */
export function isFinal({ status, expiresAt }) {
  const hasEnded = ["completed", "cancelled", "expired", "rejected"].includes(status);
  return hasEnded || (status === "confirmed" && !expiresAt);
}

/** `Retry-After` is rounded up to seconds, and those who order first get the units. */
function afterStart({ retryAfterMs }) {
  return Math.max(0, retryAfterMs - 1_000) + between(100, 1_000);
}

function afterRetryTime({ retryAfterMs }) {
  return Math.max(retryAfterMs, 1_000) + between(0, 1_000);
}
