/** Timers of browsers take no more: a longer pause ends after it, too. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A pause that can be ended early. */
export class Wakeable {
  #end = () => {};
  #isWoken = false;

  /** Waits for `pauseMs`, or until `wake`, or until the signal aborts. A `wake` since the last pause ends it at once. */
  async sleep(pauseMs, signal) {
    if (!this.#isWoken && !signal.aborted) {
      let timer = null;
      await new Promise((resolve) => {
        this.#end = resolve;
        signal.addEventListener("abort", this.#end);
        timer = Number.isFinite(pauseMs) ? setTimeout(resolve, Math.min(pauseMs, TIMER_MAX_MS)) : null;
      });
      clearTimeout(timer);
      signal.removeEventListener("abort", this.#end);
    }
    this.#isWoken = false;
  }

  wake() {
    this.#isWoken = true;
    this.#end();
  }
}
