import { fromHex, toHex } from "./hex.js";

/**
 * The place of a ticket, computed from the state of the queue that is the same for everybody (docs/API.md, the queue of a sale).
 */

/** One more than the highest position of those who joined before the start. */
const EARLY_END = 2 ** 52;
/** How much longer than shown a turn lasts. */
const GRACE_MS = 30_000;
/** The time of the turn clock over which the pace is measured, and the least that says anything. */
const PACE_WINDOW_MS = 30_000;
const PACE_WINDOW_MIN_MS = 2_000;
/** An estimate is a range: from this share of the computed time to that one. */
const ESTIMATE_SHARES = [0.8, 1.4];

/** `{number, holder}` of a ticket; the number is 0 for somebody who joined before the start. */
export function readTicket(text) {
  const bytes = fromHex(text);
  const number = bytes.slice(1, 9).reduce((sum, byte) => sum * 256 + byte, 0);
  return { number, holder: bytes.slice(9, 25) };
}

/** Whether this browser can compute the positions of those who joined before the start: it needs https. */
export const canCompute = () => Boolean(globalThis.crypto?.subtle);

/** `{early}` or `{late}`; null for an early ticket until the seed is shown. */
export async function positionOf(ticket, seed) {
  const { number, holder } = readTicket(ticket);
  if (number > 0) {
    return { late: number };
  }
  if (!seed || !canCompute()) {
    return null;
  }
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", fromHex(seed), algorithm, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, holder));
  const upper = mac.slice(0, 6).reduce((sum, byte) => sum * 256 + byte, 0);
  return { early: upper * 16 + (mac[6] >> 4) };
}

/** Whether a seed has the SHA-256 that was shown before the start; null if none was, or where that cannot be computed. */
export async function isAnnouncedSeed(seed, seedSha256) {
  if (!seedSha256 || !canCompute()) {
    return null;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", fromHex(seed)));
  return toHex(digest) === seedSha256;
}

/** `{turn, ahead, leftMs, estimateMs}` of a position, as `GET /queue/{id}/place` answers it. */
export function placeOf(position, queue) {
  const began = queue.recent.find(([, below, late]) => hasPassed(position, below, late));
  if (!began) {
    const people = ahead(position, queue);
    return { turn: "waiting", ahead: people, estimateMs: people / pacePerMs(queue) };
  }
  const lastedMs = queue.clock - began[0];
  const turnMs = queue.turnSeconds * 1_000;
  if (lastedMs >= turnMs + GRACE_MS) {
    return { turn: "over" };
  }
  return { turn: "open", leftMs: Math.max(0, turnMs - lastedMs) };
}

/** The range in which a computed time lies. */
export function estimateRange(estimateMs) {
  return ESTIMATE_SHARES.map((share) => share * estimateMs);
}

function hasPassed(position, servedBelow, servedLate) {
  return position.late ? position.late <= servedLate : position.early < servedBelow;
}

function ahead(position, queue) {
  const earlyBelow = (end) => (Math.max(0, end - queue.servedBelow) * queue.joined) / EARLY_END;
  if (position.late) {
    const late = position.late - queue.servedLate - 1;
    return Math.floor(earlyBelow(EARLY_END)) + Math.max(0, late);
  }
  return Math.floor(earlyBelow(position.early));
}

/** People let through in a millisecond of the turn clock: over the last seconds, or else as the shop has set it. */
function pacePerMs(queue) {
  const since = queue.clock - PACE_WINDOW_MS;
  const first = queue.recent.findLast(([clock]) => clock <= since) ?? queue.recent[0];
  const windowMs = first ? queue.clock - first[0] : 0;
  if (windowMs < PACE_WINDOW_MIN_MS) {
    return queue.admitPerSecond / 1_000;
  }
  const served = (below, late) => (below * queue.joined) / EARLY_END + late;
  const people = served(queue.servedBelow, queue.servedLate) - served(first[1], first[2]);
  return people / windowMs;
}
