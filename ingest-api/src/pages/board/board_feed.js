import { backoffMs } from "./api.js";
import { withReading } from "./sale_rates.js";
import { Wakeable } from "./wakeable.js";

const READ_MS = 2_000;
const RETRY_MS_MAX = 5_000;
/** Codes of a token that is no longer accepted. */
const REFUSED = new Set([401, 403]);

/** Reads the sales that the board shows, again and again, while it is looked at. */
export class BoardFeed {
  /** `{product, figures, queue, readings, isUnknown, problem}` of each, in the order in which they are shown. */
  sales = [];
  /** Rounds in a row in which no answer came; when an answer came last, by the browser's clock; when the next round is. */
  failures = 0;
  answeredAt = null;
  retryAt = null;
  #api;
  #session;
  #onChange;
  #onRefused;
  #pause = new Wakeable();

  constructor({ api, session, onChange, onRefused }) {
    this.#api = api;
    this.#session = session;
    this.#onChange = onChange;
    this.#onRefused = onRefused;
  }

  show(product) {
    if (!this.sales.some((it) => it.product === product)) {
      this.sales = [...this.sales, { product, figures: null, queue: null, readings: [], isUnknown: false, problem: null }];
    }
    this.wake();
  }

  hide(product) {
    this.sales = this.sales.filter((it) => it.product !== product);
    this.#onChange();
  }

  wake() {
    this.#pause.wake();
  }

  /** Reads until the signal aborts. */
  async run(signal) {
    while (!signal.aborted) {
      const pauseMs = document.visibilityState === "visible" ? await this.#readAll(signal) : Infinity;
      await this.#pause.sleep(pauseMs, signal);
    }
  }

  /** Returns the pause until the next round. */
  async #readAll(signal) {
    const answers = await Promise.all(this.sales.map((sale) => this.#read(sale.product, signal)));
    if (signal.aborted) {
      return Infinity;
    }
    const refused = answers.find(({ status }) => REFUSED.has(status));
    if (refused) {
      this.#onRefused(refused);
      return Infinity;
    }
    const isAnswered = answers.some(({ status }) => status) || answers.length === 0;
    this.failures = isAnswered ? 0 : this.failures + 1;
    this.answeredAt = isAnswered ? Date.now() : this.answeredAt;
    const pauseMs = isAnswered ? READ_MS : Math.min(RETRY_MS_MAX, backoffMs(this.failures));
    this.retryAt = isAnswered ? null : Date.now() + pauseMs;
    this.#onChange();
    return pauseMs;
  }

  async #read(product, signal) {
    const options = { headers: this.#session.headers, signal };
    const path = encodeURIComponent(product);
    const answer = await this.#api.call("GET", `/products/${path}/figures`, options);
    const hasQueue = answer.isOk && answer.body.queue && answer.body.orders !== null;
    const queue = hasQueue ? await this.#api.call("GET", `/queue/${path}`, { signal }) : null;
    if (!signal.aborted) {
      this.#update(product, answer, queue);
    }
    return answer;
  }

  #update(product, answer, queueAnswer) {
    const before = this.sales.find((it) => it.product === product);
    if (!before || !answer.status) {
      return;
    }
    const isUnknown = answer.status === 404;
    const failed = [answer, queueAnswer].find((it) => it?.status >= 400 && it.status !== 404);
    const after = { ...before, isUnknown, problem: failed?.body ?? null };
    if (isUnknown) {
      Object.assign(after, { figures: null, queue: null, readings: [] });
    } else if (answer.isOk) {
      const queue = queueAnswer?.isOk ? queueAnswer.body : null;
      const readings = queueAnswer && !queue ? before.readings : withReading(before.readings, answer.body, queue);
      Object.assign(after, { figures: answer.body, queue: queue ?? (queueAnswer && before.queue), readings });
    } else {
      // A rate that nobody measures any more is none.
      after.readings = [];
    }
    this.sales = this.sales.map((it) => (it === before ? after : it));
  }
}
