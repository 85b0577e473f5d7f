import { backoffMs, between } from "./api.js";
import { canCompute, isAnnouncedSeed, placeOf, positionOf, readTicket } from "./queue_place.js";
import { SaleStream } from "./sale_stream.js";
import { Wakeable } from "./wakeable.js";

/** All pages wait for the same start. Each asks what has become of the sale a random time after it; of a queue, once its seed is shown. */
const START_SPREAD_MS = [0, 5_000];
const QUEUE_START_SPREAD_MS = [3_500, 8_000];
const UNKNOWN_MS = [15_000, 30_000];
const READ_MS = {
  scheduled: [20_000, 40_000],
  open: [2_000, 4_000],
  all_held: [3_000, 6_000],
  sold_out: [4_000, 8_000],
  closed: [60_000, 120_000],
};
/** How much rarer than the server says the queue is read long before the start and after the end. */
const QUEUE_FACTOR = { scheduled: 4, closed: 15 };
/** From so long before the start on, it is read as often as the server says. */
const SOON_MS = 60_000;
/** The pause after an answer that does not fit what is known of the sale. */
const DOUBT_MS = 2_000;
/** Refusals after which the sale has to be read again. */
const NO_QUEUE = new Set(["no_queue", "unknown_product"]);

/** Follows a sale: its queue by polling, a sale without one by its events, or by polling where these are not to be had. */
export class SaleFeed {
  #feed;
  #product;
  #api;
  #clock;
  #store;
  #signal;
  #pause = new Wakeable();
  #stream;

  constructor({ feed, product, api, clock, store }) {
    this.#feed = feed;
    this.#product = encodeURIComponent(product);
    this.#api = api;
    this.#clock = clock;
    this.#store = store;
    this.#stream = new SaleStream(this.#product, {
      onEvent: (changes) => this.#told(changes),
      onEnd: () => this.wake(),
    });
  }

  async run(signal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#stream.close());
    while (!signal.aborted) {
      const pauseMs = await this.#follow();
      await this.#pause.sleep(this.#untilAfterStart(pauseMs), signal);
    }
  }

  wake() {
    this.#pause.wake();
  }

  /** Reads what the stream does not tell; returns the pause until the next time. */
  #follow() {
    const { sale } = this.#feed.facts;
    if (isQueued(sale)) {
      this.#stream.close();
      return this.#readQueue(sale);
    }
    return this.#stream.silenceLeftMs || this.#readSale();
  }

  #told(changes) {
    this.#feed.answered("sale", changes);
    if (isQueued(changes.sale)) {
      // The sale was amended.
      this.wake();
    }
  }

  async #readSale() {
    this.#stream.close();
    const answer = await this.#get("products");
    if (answer.code === "unknown_product") {
      this.#feed.answered("sale", { isUnknownProduct: true });
      return between(...UNKNOWN_MS);
    }
    if (!answer.isOk) {
      return this.#again();
    }
    const sale = answer.body;
    this.#feed.answered("sale", { sale, isUnknownProduct: false });
    if (isQueued(sale)) {
      return 0;
    }
    if (sale.status !== "closed") {
      this.#stream.open();
    }
    return this.#stream.silenceLeftMs || between(...(READ_MS[sale.status] ?? READ_MS.open));
  }

  async #readQueue(sale) {
    const answer = await this.#get("queue");
    if (answer.code === "sale_closed") {
      // Its records have left Redis; the sale itself can still be read.
      this.#feed.answered("sale", { sale: { ...sale, status: "closed" }, queue: null });
      return DOUBT_MS;
    }
    if (NO_QUEUE.has(answer.code)) {
      this.#feed.answered("sale", { sale: null, queue: null });
      return DOUBT_MS;
    }
    if (!answer.isOk) {
      return this.#again();
    }
    const queue = answer.body;
    if (queue.opensAt !== sale.opensAt) {
      // The sale was amended.
      await this.#readSale();
    }
    const place = await this.#findPlace(queue);
    const isDrawVerified = queue.seed && (await isAnnouncedSeed(queue.seed, this.#store.seedSha256));
    if (this.#signal.aborted) {
      return Infinity;
    }
    this.#feed.answered("sale", { queue, place, isDrawVerified });
    const isSoon = Date.parse(queue.opensAt) - this.#clock.now() < SOON_MS;
    const factor = queue.state === "scheduled" && isSoon ? 1 : (QUEUE_FACTOR[queue.state] ?? 1);
    return factor * between(...queue.pollAfterMs);
  }

  async #findPlace(queue) {
    const { ticket } = this.#store;
    if (!ticket) {
      this.#store.aheadAtFirst = null;
      return null;
    }
    const isComputed = canCompute() || readTicket(ticket).number > 0;
    const place = isComputed ? await computedPlace(ticket, queue) : await this.#readPlace(ticket);
    if (place?.ahead > this.#store.aheadAtFirst) {
      this.#store.aheadAtFirst = place.ahead;
    }
    const hasEnd = place?.turn === "open";
    return hasEnd ? { ...place, turnEndsAt: this.#clock.now() + place.leftMs } : place;
  }

  /** For browsers that cannot compute it. */
  async #readPlace(ticket) {
    const answer = await this.#get("queue", "/place", { "Fluxgate-Ticket": ticket });
    if (answer.code === "invalid_ticket") {
      this.#store.ticket = null;
    }
    if (!answer.isOk) {
      return this.#feed.facts.place;
    }
    const { turn, ahead, estimateSeconds, leftSeconds } = answer.body;
    const estimateMs = estimateSeconds === null ? null : 1_000 * estimateSeconds;
    return turn === "waiting" && ahead === null
      ? null
      : { turn, ahead, estimateMs, leftMs: 1_000 * (leftSeconds ?? 0) };
  }

  /** An answer, whatever it says, or `{isOk: false}`. Of a tab that no longer leads nothing is an answer. */
  async #get(collection, rest = "", headers = {}) {
    const path = `/${collection}/${this.#product}${rest}`;
    const answer = await this.#api.call("GET", path, { headers, signal: this.#signal });
    return this.#signal.aborted ? { isOk: false } : answer;
  }

  #again() {
    const pauseMs = backoffMs(this.#feed.facts.failures.sale);
    if (!this.#signal.aborted) {
      this.#feed.failed("sale", pauseMs);
    }
    return pauseMs;
  }

  /** A pause that would end after the start ends a random time after it. */
  #untilAfterStart(pauseMs) {
    const { sale, queue } = this.#feed.facts;
    const startsInMs = Date.parse((queue ?? sale)?.opensAt) - this.#clock.now();
    const ends = startsInMs > 0 && startsInMs < pauseMs;
    return ends ? startsInMs + between(...(queue ? QUEUE_START_SPREAD_MS : START_SPREAD_MS)) : pauseMs;
  }
}

/** Whether a sale is followed by its queue. That of a sale that is over may have left Redis. */
function isQueued(sale) {
  return Boolean(sale?.queue) && sale.status !== "closed";
}

async function computedPlace(ticket, queue) {
  const position = await positionOf(ticket, queue.seed);
  return position && placeOf(position, queue);
}
