/** Calls of the HTTP API (docs/API.md). */

const TIMEOUT_MS = 15_000;
/** `Date` has no fraction and may be half a second old. */
const DATE_SLACK_MS = 1_500;
/** How long a cache may keep an answer. */
const CACHE_MS = 1_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/** Codes of problems that say nothing about what was asked, besides 5xx. */
const TRANSIENT = new Set(["request_timeout"]);

export class Api {
  #clock;

  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * `{status, body, code, retryAfterMs, requestId}`. `isAnswer` is false if nothing usable came back: a network error, a timeout, a
   * 5xx. Then nobody knows whether the call had an effect.
   */
  async call(method, path, { body, headers = {}, signal } = {}) {
    const controller = new AbortController();
    const abort = () => controller.abort();
    const timer = setTimeout(abort, TIMEOUT_MS);
    signal?.addEventListener("abort", abort);
    const sentAt = Date.now();
    try {
      const response = await fetch(path, {
        method,
        headers: body ? { "Content-Type": "application/json", ...headers } : headers,
        body: body && JSON.stringify(body),
        signal: controller.signal,
      });
      this.#observeTime(response, sentAt);
      return await answer(response);
    } catch {
      return { isAnswer: false, retryAfterMs: 0 };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  #observeTime(response, sentAt) {
    const date = Date.parse(response.headers.get("Date"));
    const isCacheable = /\bpublic\b/.test(response.headers.get("Cache-Control"));
    const ageMs = (isCacheable ? CACHE_MS : 0) + millis(response.headers.get("Age"));
    if (Number.isFinite(date)) {
      this.#clock.observe(sentAt, Date.now(), date, DATE_SLACK_MS + ageMs);
    }
  }
}

async function answer(response) {
  const body = await response.json();
  return {
    isAnswer: response.status < 500 && !TRANSIENT.has(body.code),
    isOk: response.ok,
    status: response.status,
    body,
    code: body.code,
    retryAfterMs: millis(response.headers.get("Retry-After")),
    requestId: response.headers.get("X-Request-Id"),
  };
}

/** The milliseconds of a header field with seconds or, as `Retry-After` may have, with a date. */
function millis(field) {
  const ms = /^\d+$/.test(field) ? 1_000 * Number(field) : Date.parse(field) - Date.now();
  return Math.max(0, ms || 0);
}

/** A random time, so that pages that failed together do not come back together. */
export function backoffMs(failures, retryAfterMs = 0) {
  const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10));
  return retryAfterMs + between(most / 2, most);
}

/** A random number in a range. */
export function between(least, most) {
  return least + Math.random() * (most - least);
}
