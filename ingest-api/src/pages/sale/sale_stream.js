import { between } from "./api.js";

/** While a stream lives, it says something at least every 11 s. */
const SILENCE_MS = 25_000;
/** Until the sale is read after a stream has ended: those of an instance that has gone end at the same time. */
const END_SPREAD_MS = [1_000, 5_000];
/** Until a stream that the server has refused is asked for again. */
const REFUSED_MS = [30_000, 60_000];

/** The events of a sale (docs/API.md, follow a sale). Does not come back by itself: `onEnd` is called when the sale should be read. */
export class SaleStream {
  #url;
  #onEvent;
  #onEnd;
  #source = null;
  #heardAt = 0;
  #refusedUntil = 0;

  /** `onEvent` gets `{sale}` if the sale has changed, and otherwise nothing: what is known of it is current. */
  constructor(product, { onEvent, onEnd }) {
    this.#url = `/products/${product}/events`;
    this.#onEvent = onEvent;
    this.#onEnd = onEnd;
  }

  /** Opens the stream, unless it is open or has just been refused. */
  open() {
    if (this.#source || Date.now() < this.#refusedUntil) {
      return;
    }
    const source = new EventSource(this.#url);
    this.#source = source;
    this.#heardAt = Date.now();
    source.addEventListener("sale", (event) => {
      this.#heardAt = Date.now();
      this.#onEvent({ sale: JSON.parse(event.data) });
    });
    source.addEventListener("heartbeat", (event) => {
      this.#heardAt = Date.now();
      if (JSON.parse(event.data).isCurrent) {
        this.#onEvent({});
      } else {
        this.#end();
      }
    });
    source.addEventListener("error", () => {
      const isRefused = source.readyState === EventSource.CLOSED;
      this.#refusedUntil = isRefused ? Date.now() + between(...REFUSED_MS) : 0;
      this.#end();
    });
  }

  /** How long it may still say nothing; 0: it is closed, or dead. */
  get silenceLeftMs() {
    return this.#source ? Math.max(0, this.#heardAt + SILENCE_MS - Date.now()) : 0;
  }

  close() {
    this.#source?.close();
    this.#source = null;
  }

  #end() {
    this.close();
    setTimeout(this.#onEnd, between(...END_SPREAD_MS));
  }
}
