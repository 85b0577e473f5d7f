import { fromHex, toHex } from "./hex.js";
import { canCompute } from "./queue_place.js";

/** Tries between two looks at the signal; the browser computes them side by side. */
const TRIES = 512;
const COUNTER_END = 2 ** 32;
const COUNTER_BYTES = 4;

/**
 * Solves a challenge (ALTCHA, version 2): finds a counter for which the SHA-256 over salt, nonce and counter begins with the
 * prefix. `{challenge, solution}`; null without https, when stopped, and for another algorithm.
 */
export async function solve(challenge, signal) {
  const { algorithm, cost, keyPrefix, nonce, salt } = challenge.parameters;
  if (!canCompute() || algorithm !== "SHA-256" || cost !== 1) {
    return null;
  }
  const start = fromHex(salt + nonce);
  for (let first = 0; first < COUNTER_END && !signal.aborted; first += TRIES) {
    const counters = Array.from({ length: TRIES }, (_, n) => first + n);
    const keys = await Promise.all(counters.map((counter) => derivedKey(start, counter)));
    const found = keys.findIndex((key) => key.startsWith(keyPrefix));
    if (found >= 0) {
      return { challenge, solution: { counter: counters[found], derivedKey: keys[found] } };
    }
  }
  return null;
}

async function derivedKey(start, counter) {
  const message = new Uint8Array(start.length + COUNTER_BYTES);
  message.set(start);
  new DataView(message.buffer).setUint32(start.length, counter);
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", message)));
}
