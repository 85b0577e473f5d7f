import { OrderFeed } from "./order_feed.js";
import { SaleFeed } from "./sale_feed.js";

/** How long a refusal is shown at least: what follows from it, such as that the sale is sold out, may be shown the next moment. */
const REFUSAL_MIN_MS = 10_000;

/**
 * What this browser knows of the sale and of the buyer's order. The tab that leads runs the feed; the others are told the facts.
 */
export class Feed {
  facts = {
    /** The answer of `GET /products/{id}`. */
    sale: null,
    /** The answer of `GET /queue/{id}`, in a sale with a queue. */
    queue: null,
    /** `{turn, ahead, estimateMs, turnEndsAt}` of the ticket. */
    place: null,
    /** Whether the seed is the one that was announced, once it is shown. */
    isDrawVerified: null,
    /** The answer of `GET /orders/{id}`. */
    order: null,
    /**
     * `{code, requestId, until, at, state}` of the last join or order that was refused: `until` when it will be refused, `at` what time
     * it was, and in which `state` of the page.
     */
    refusal: null,
    isUnknownProduct: false,
    /** Calls in a row that the server has not answered, of the sale and of what the buyer asked for; and when the next one is. */
    failures: { sale: 0, order: 0 },
    retryAt: null,
    /** When the server last told something, by the browser's clock. */
    answeredAt: null,
  };
  #saleFeed;
  #orderFeed;
  #store;
  #ticket;
  #onFacts;

  constructor({ product, api, clock, store, settings, onFacts }) {
    this.#onFacts = onFacts;
    const shared = { feed: this, product, api, clock, store, settings };
    this.#store = store;
    this.#ticket = store.ticket;
    this.#saleFeed = new SaleFeed(shared);
    this.#orderFeed = new OrderFeed(shared);
  }

  /** Follows the sale and does what the buyer asks for until the signal aborts. */
  run(signal) {
    this.#saleFeed.run(signal);
    this.#orderFeed.run(signal);
  }

  update(changes) {
    this.facts = { ...this.facts, ...changes };
    this.#onFacts();
  }

  /** An answer came, and with it these changes. */
  answered(of, changes = {}) {
    const failures = { ...this.facts.failures, [of]: 0 };
    this.update({ failures, retryAt: null, answeredAt: Date.now(), ...changes });
  }

  /** No answer came; the next call is in `pauseMs`. */
  failed(of, pauseMs) {
    const failures = { ...this.facts.failures, [of]: this.facts.failures[of] + 1 };
    this.update({ failures, retryAt: Date.now() + pauseMs });
  }

  refused(refusal) {
    this.update({ refusal: { ...refusal, at: Date.now() } });
  }

  /** What was refused in another state of the page says nothing about this one. */
  outdateRefusal(state) {
    const { refusal } = this.facts;
    if (refusal && !refusal.state) {
      this.facts = { ...this.facts, refusal: { ...refusal, state } };
    } else if (refusal && refusal.state !== state && Date.now() - refusal.at > REFUSAL_MIN_MS) {
      this.facts = { ...this.facts, refusal: null };
    }
  }

  /** What the browser keeps has changed. */
  storeChanged() {
    this.#orderFeed.wake();
    if (this.#store.ticket !== this.#ticket) {
      this.#ticket = this.#store.ticket;
      this.#saleFeed.wake();
    }
  }

  /** The browser is back: nothing waits any longer. */
  wake() {
    this.#saleFeed.wake();
    this.#orderFeed.wake();
  }
}
