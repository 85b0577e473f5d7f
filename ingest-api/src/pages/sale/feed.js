import { OrderFeed } from "./order_feed.js";
import { SaleFeed } from "./sale_feed.js";

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
    /** `{code, requestId}` of the last join or order that was refused. */
    refusal: null,
    isUnknownProduct: false,
    /** Calls in a row that the server has not answered, of the sale and of what the buyer asked for; and when the next one is. */
    failures: { sale: 0, order: 0 },
    retryAt: null,
    /** When the server last told something, by the browser's clock. */
    answeredAt: null,
  };
  #feeds;
  #onFacts;

  constructor({ product, api, clock, store, settings, onFacts }) {
    this.#onFacts = onFacts;
    const shared = { feed: this, product, api, clock, store, settings };
    this.#feeds = [new SaleFeed(shared), new OrderFeed(shared)];
  }

  /** Follows the sale and does what the buyer asks for until the signal aborts. */
  run(signal) {
    for (const feed of this.#feeds) {
      feed.run(signal);
    }
  }

  update(changes) {
    this.facts = { ...this.facts, ...changes };
    this.#onFacts();
  }

  /** An answer came. */
  answered(of) {
    const failures = { ...this.facts.failures, [of]: 0 };
    this.update({ failures, retryAt: null, answeredAt: Date.now() });
  }

  /** No answer came; the next call is in `pauseMs`. */
  failed(of, pauseMs) {
    const failures = { ...this.facts.failures, [of]: this.facts.failures[of] + 1 };
    this.update({ failures, retryAt: Date.now() + pauseMs });
  }

  /** Something has changed: nothing waits any longer. */
  wake() {
    for (const feed of this.#feeds) {
      feed.wake();
    }
  }
}
