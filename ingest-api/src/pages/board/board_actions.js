import { randomHex } from "./hex.js";
import { peopleOf } from "./sale_rates.js";

/** Most units of a sale, with those that restocks add; most people let through in a second. */
const UNITS_MAX = 1_000_000_000;
const ADMIT_PER_SECOND_MAX = 1_000_000;
const KEY_BYTES = 16;
const RESTOCK_KEY = "fluxgate:board:restock:";

/** What the shop can do with its sales: what the confirmation says of it, and the call. */
export class BoardActions {
  #texts;
  #api;
  #session;

  constructor({ texts, api, session }) {
    this.#texts = texts;
    this.#api = api;
    this.#session = session;
  }

  /** `lines` says on which terms. */
  open(product, terms, lines) {
    const texts = this.#texts;
    return {
      title: texts.get("board.open.ask", { product }),
      lines: () => [...lines, texts.get("board.open.text"), texts.get("board.open.existing")],
      confirm: texts.get("board.open.confirm"),
      run: () => this.#call("PUT", `/products/${encodeURIComponent(product)}`, terms),
      done: ({ status }) => texts.get(status === 201 ? "board.open.done" : "board.open.exists", { product }),
    };
  }

  restock({ product, figures }) {
    const texts = this.#texts;
    const pending = pendingRestock(product);
    return {
      title: texts.get("board.restock.ask", { product }),
      field: {
        label: texts.get("board.restock.quantity"),
        max: UNITS_MAX - figures.total,
        value: pending?.quantity,
        isFixed: Boolean(pending),
      },
      lines: (quantity) => [
        pending && texts.get("board.restock.pending"),
        quantity && texts.get("board.restock.after", { total: figures.total + quantity }),
        texts.get(figures.queue ? "board.restock.queue" : "board.restock.sale"),
        texts.get("board.restock.text"),
      ],
      confirm: texts.get("board.restock.confirm"),
      run: (quantity) => this.#restock(product, quantity),
      done: ({ body }) => texts.get("board.restock.done", { total: body.total, remaining: body.remaining }),
    };
  }

  close({ product, figures, queue }) {
    const texts = this.#texts;
    const { waiting = 0 } = queue ? peopleOf(figures, queue) : {};
    return {
      title: texts.get("board.close.ask", { product }),
      lines: () => [
        texts.get("board.close.text"),
        figures.remaining > 0 && texts.get("board.close.remaining", { count: figures.remaining }),
        waiting > 0 && texts.get("board.close.waiting", { count: waiting }),
        texts.get(figures.held > 0 ? "board.close.held" : "board.close.kept"),
      ],
      confirm: texts.get("board.close.confirm"),
      isFinal: true,
      run: () => this.#call("POST", `/products/${encodeURIComponent(product)}/close`),
      done: ({ body }) => texts.get("board.close.done", { count: body.remaining }),
    };
  }

  pause({ product, queue }) {
    const name = queue.paused ? "continue" : "pause";
    return this.#patch(name, product, () => ({ paused: !queue.paused }));
  }

  rate({ product, queue }) {
    const { admitPerSecond } = queue;
    return {
      ...this.#patch("rate", product, (rate) => ({ admitPerSecond: rate }), { admitPerSecond }),
      field: { label: this.#texts.get("board.rate.field"), max: ADMIT_PER_SECOND_MAX, value: admitPerSecond },
    };
  }

  /** A change of a queue. Until there is an answer each try is the same call, so that it undoes no change of somebody else. */
  #patch(name, product, change, args = {}) {
    let key = randomHex(KEY_BYTES);
    const send = async (value) => {
      const answer = await this.#call("PATCH", `/queue/${encodeURIComponent(product)}`, change(value), key);
      key = answer.isAnswer ? randomHex(KEY_BYTES) : key;
      return answer;
    };
    const text = (part) => this.#texts.get(`board.${name}.${part}`, { product, ...args });
    return {
      title: text("ask"),
      lines: () => [text("text")],
      confirm: text("confirm"),
      run: send,
      done: () => text("done"),
    };
  }

  /** The key is kept until there is an answer: whatever happens to this page, the units are added once. */
  async #restock(product, quantity) {
    const key = pendingRestock(product)?.key ?? randomHex(KEY_BYTES);
    sessionStorage.setItem(RESTOCK_KEY + product, JSON.stringify({ quantity, key }));
    const answer = await this.#call("POST", `/products/${encodeURIComponent(product)}/restock`, { quantity }, key);
    if (answer.isAnswer) {
      sessionStorage.removeItem(RESTOCK_KEY + product);
    }
    return answer;
  }

  #call(method, path, body, key) {
    const headers = key ? { ...this.#session.headers, "Idempotency-Key": `"${key}"` } : this.#session.headers;
    return this.#api.call(method, path, { body, headers });
  }
}

function pendingRestock(product) {
  return JSON.parse(sessionStorage.getItem(RESTOCK_KEY + product));
}
