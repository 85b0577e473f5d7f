import { backoffMs, between } from "./api.js";
import { canCompute, isAnnouncedSeed, placeOf, positionOf, readTicket } from "./queue_place.js";
import { Wakeable } from "./wakeable.js";

/** All pages wait for the same start. Each asks what has become of the sale a random time after it. */
const START_SPREAD_MS = 5_000;
/** The pause between reads of a sale while its events are streamed: it shows whether the stream still lives. */
const WITH_STREAM_MS = [60_000, 90_000];
const STREAM_RETRY_MS = [30_000, 60_000];
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
/** The pause after an answer that does not fit what is known. */
const DOUBT_MS = 2_000;

/** Follows a sale: its queue by polling, a sale without one by its events, or by polling where these are not to be had. */
export class SaleFeed {
  #feed;
  #product;
  #api;
  #clock;
  #store;
  #signal;
  #pause = new Wakeable();
  #stream = null;
  #streamRetryAt = 0;
  /** What the stream has told last, and when; and when a read last said something else. */
  #streamed = "";
  #streamedAt = 0;
  #doubtedAt = 0;

  constructor({ feed, product, api, clock, store }) {
    this.#feed = feed;
    this.#product = encodeURIComponent(product);
    this.#api = api;
    this.#clock = clock;
    this.#store = store;
  }

  async run(signal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#closeStream());
    while (!signal.aborted) {
      const pauseMs = await this.#read();
      await this.#pause.sleep(this.#untilAfterStart(pauseMs), signal);
    }
  }

  wake() {
    this.#pause.wake();
  }

  /** Reads once; returns the pause until the next read. */
  async #read() {
    const hasQueue = Boolean(this.#feed.facts.sale?.queue);
    const pauseMs = hasQueue ? await this.#readQueue() : await this.#readSale();
    if (pauseMs !== null || this.#signal.aborted) {
      return pauseMs;
    }
    const again = backoffMs(this.#feed.facts.failures.sale);
    this.#feed.failed("sale", again);
    return again;
  }

  async #readSale() {
    const answer = await this.#get("products");
    if (!answer.isAnswer) {
      return null;
    }
    if (!answer.isOk) {
      this.#feed.update({ isUnknownProduct: true });
      return between(...UNKNOWN_MS);
    }
    const sale = answer.body;
    this.#feed.update({ sale, isUnknownProduct: false });
    if (sale.queue) {
      this.#closeStream();
      return 0;
    }
    if (this.#stream && this.#streamed !== JSON.stringify(sale)) {
      // Either may be the older one. If the stream still says nothing by the next read, it is dead.
      if (this.#doubtedAt > this.#streamedAt) {
        this.#closeStream();
      }
      this.#doubtedAt = Date.now();
      return DOUBT_MS;
    }
    this.#openStream(sale);
    return between(...(this.#stream ? WITH_STREAM_MS : (READ_MS[sale.status] ?? READ_MS.open)));
  }

  async #readQueue() {
    const answer = await this.#get("queue");
    if (!answer.isAnswer) {
      return null;
    }
    if (!answer.isOk) {
      this.#feed.update({ sale: null, queue: null });
      return DOUBT_MS;
    }
    const queue = answer.body;
    const { sale } = this.#feed.facts;
    if (queue.opensAt !== sale.opensAt) {
      // The sale was amended.
      this.#feed.update({ sale: null });
    }
    const place = await this.#findPlace(queue);
    if (this.#signal.aborted) {
      return null;
    }
    const isDrawVerified = queue.seed ? await isAnnouncedSeed(queue.seed, queue.seedSha256) : null;
    this.#feed.update({ queue, place, isDrawVerified });
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
    if (answer.status === 403) {
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

  async #get(collection, rest = "", headers = {}) {
    const path = `/${collection}/${this.#product}${rest}`;
    const answer = await this.#api.call("GET", path, { headers, signal: this.#signal });
    if (answer.isAnswer && !this.#signal.aborted) {
      this.#feed.answered("sale");
    }
    return answer;
  }

  #openStream(sale) {
    if (this.#stream || sale.status === "closed" || Date.now() < this.#streamRetryAt) {
      return;
    }
    const stream = new EventSource(`/products/${this.#product}/events`);
    this.#stream = stream;
    this.#streamed = JSON.stringify(sale);
    this.#streamedAt = Date.now();
    stream.addEventListener("sale", (event) => {
      const sale = JSON.parse(event.data);
      this.#streamed = JSON.stringify(sale);
      this.#streamedAt = Date.now();
      this.#feed.answered("sale");
      this.#feed.update({ sale });
    });
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED && this.#stream === stream) {
        // The server streams no events, or has no stream left.
        this.#stream = null;
        this.#streamRetryAt = Date.now() + between(...STREAM_RETRY_MS);
      }
      // Otherwise the browser connects again by itself. Is the server there?
      setTimeout(() => this.wake(), between(0, DOUBT_MS));
    });
  }

  #closeStream() {
    this.#stream?.close();
    this.#stream = null;
  }

  /** A pause that would end after the start ends a random time after it. */
  #untilAfterStart(pauseMs) {
    const { sale, queue } = this.#feed.facts;
    const startsInMs = Date.parse((queue ?? sale)?.opensAt) - this.#clock.now();
    const ends = startsInMs > 0 && startsInMs < pauseMs;
    return ends ? startsInMs + between(0, START_SPREAD_MS) : pauseMs;
  }
}

async function computedPlace(ticket, queue) {
  const position = await positionOf(ticket, queue.seed);
  return position && placeOf(position, queue);
}
