/**
 * The server's time. Each answer says what time it was on the server between the request and the answer; the
 * difference to the browser's clock lies where all answers agree, and of that the clock shows the least: what begins by this clock has
 * begun on the server.
 */
export class ServerClock {
  #leastMs = -Infinity;
  #mostMs = Infinity;

  /** Milliseconds since 1970 on the server; the browser's own time until the first answer. */
  now() {
    return Date.now() + (Number.isFinite(this.#leastMs) ? this.#leastMs : 0);
  }

  /** An answer to a request of `sentAt`: when it arrived, the server's time was from `serverMs` to `serverMs + slackMs` at most that long ago. */
  observe(sentAt, receivedAt, serverMs, slackMs) {
    const least = serverMs - receivedAt;
    const most = serverMs + slackMs - sentAt;
    const agrees = least <= this.#mostMs && most >= this.#leastMs;
    // Otherwise one of the clocks has been set.
    this.#leastMs = agrees ? Math.max(least, this.#leastMs) : least;
    this.#mostMs = agrees ? Math.min(most, this.#mostMs) : most;
  }

  /** What another tab needs to know the same time. */
  get bounds() {
    return [this.#leastMs, this.#mostMs];
  }

  set bounds([leastMs, mostMs]) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
  }
}
