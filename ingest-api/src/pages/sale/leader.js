/**
 * One tab of a browser leads: it talks to the server and tells the other tabs what it learns. Where the browser gives no Web Locks (they
 * need https, and some browsers refuse them to visitors who keep no site data), each tab leads for itself.
 */
export class Leader {
  #name;
  #lead;
  #channel = null;
  #waiting = null;
  #term = null;

  /** `lead(signal)` is called when this tab begins to lead, until `signal` aborts; `onMessage` for what other tabs tell. */
  constructor(name, { lead, onMessage }) {
    this.#name = name;
    this.#lead = lead;
    if (navigator.locks && "BroadcastChannel" in globalThis) {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = (event) => onMessage(event.data);
    }
  }

  get leads() {
    return this.#term !== null;
  }

  start() {
    if (this.#channel) {
      this.#wait();
    } else {
      this.#begin();
    }
  }

  /** Takes over from the tab that leads. */
  take() {
    if (!this.leads && this.#channel) {
      this.#waiting?.abort();
      this.#hold({ steal: true });
    }
  }

  /** Tells the other tabs. */
  tell(message) {
    this.#channel?.postMessage(message);
  }

  #wait() {
    this.#waiting = new AbortController();
    this.#hold({ signal: this.#waiting.signal });
  }

  /** Holds the lock until the tab is closed or another tab takes it. */
  async #hold(options) {
    let term = null;
    const untilStolen = new Promise(() => {});
    const granted = () => {
      term = this.#begin();
      return untilStolen;
    };
    try {
      await navigator.locks.request(this.#name, options, granted);
    } catch (error) {
      // Otherwise stolen, or this tab no longer waits because it takes the lock itself.
      if (error.name !== "AbortError") {
        this.#leadAlone();
      }
    }
    if (term) {
      term.abort();
      this.#term = this.#term === term ? null : this.#term;
      this.#wait();
    }
  }

  #leadAlone() {
    this.#channel?.close();
    this.#channel = null;
    if (!this.leads) {
      this.#begin();
    }
  }

  #begin() {
    this.#term = new AbortController();
    this.#lead(this.#term.signal);
    return this.#term;
  }
}
