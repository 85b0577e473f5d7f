import { randomHex } from "./hex.js";

/** What the browser keeps of a sale, for all its tabs: the ticket, the order, what the buyer has asked for. */
export class BrowserStore {
  #product;
  /** What the browser did not keep, because it keeps nothing or is full. */
  #memory = new Map();
  #onChange = () => {};

  constructor(product) {
    this.#product = product;
    this.#createOrderKey();
    this.#createUser();
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(this.#key(""))) {
        this.#memory.delete(event.key);
        this.#onChange();
      }
    });
  }

  /** Calls `listener` for every change, also of other tabs. */
  onChange(listener) {
    this.#onChange = listener;
  }

  /** A user id of this browser alone, for sales without an identity provider. There before the buyer presses a button, as `orderKey` is. */
  get user() {
    return this.#read("fluxgate:user") ?? this.#createUser();
  }

  get ticket() {
    return this.#read(this.#key("ticket"));
  }

  set ticket(ticket) {
    this.keepTicket(ticket, null);
  }

  /** Keeps a ticket with the SHA-256 of the seed that the buyer was shown before joining; null: none. */
  keepTicket(ticket, seedSha256) {
    this.#write(this.#key("seed-sha256"), seedSha256);
    this.#put("ticket", ticket);
  }

  get seedSha256() {
    return this.#read(this.#key("seed-sha256"));
  }

  /** Whether the buyer has asked to join and has no answer yet. */
  get isJoining() {
    return this.#read(this.#key("joining")) === "yes";
  }

  set isJoining(isJoining) {
    this.#put("joining", isJoining ? "yes" : null);
  }

  /** The most people that have been ahead, for the progress bar. */
  get aheadAtFirst() {
    return Number(this.#read(this.#key("ahead")) ?? 0);
  }

  set aheadAtFirst(ahead) {
    if (ahead !== this.aheadAtFirst) {
      this.#write(this.#key("ahead"), ahead && String(ahead));
    }
  }

  /** `{quantity, id}`: an order that is asked for, and placed once it has an id. */
  get order() {
    return JSON.parse(this.#read(this.#key("order")) ?? "null");
  }

  set order(order) {
    this.#put("order", order && JSON.stringify(order));
  }

  /**
   * The key of the order, and of every try to place it until it has ended. It is there before the buyer presses a button, so that tabs in
   * which they do it at the same time use the same one.
   */
  get orderKey() {
    return this.#read(this.#key("order-key")) ?? this.#createOrderKey();
  }

  /** The quantity of an order that was refused: should an earlier try of it have arrived, the key stands for it. */
  get refusedQuantity() {
    return Number(this.#read(this.#key("refused-quantity")) ?? 0);
  }

  buy(quantity) {
    this.order ??= { quantity };
  }

  refuseOrder() {
    this.#write(this.#key("refused-quantity"), String(this.order.quantity));
    this.order = null;
  }

  /** Forgets an order that has ended, so that the buyer can buy again. */
  forgetOrder() {
    this.#write(this.#key("order-key"), randomHex(16));
    this.#write(this.#key("refused-quantity"), null);
    this.order = null;
  }

  #createOrderKey() {
    const key = this.#read(this.#key("order-key")) ?? randomHex(16);
    this.#write(this.#key("order-key"), key);
    return key;
  }

  #createUser() {
    const user = this.#read("fluxgate:user") ?? `web-${randomHex(16)}`;
    this.#write("fluxgate:user", user);
    return user;
  }

  #key(name) {
    return `fluxgate:sale:${this.#product}:${name}`;
  }

  #put(name, value) {
    this.#write(this.#key(name), value);
    this.#onChange();
  }

  #read(key) {
    if (this.#memory.has(key)) {
      return this.#memory.get(key);
    }
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  }

  #write(key, value) {
    try {
      this.#memory.delete(key);
      if (value === null) {
        localStorage.removeItem(key);
      } else {
        localStorage.setItem(key, value);
      }
    } catch {
      this.#memory.set(key, value);
      removeStored(key);
    }
  }
}

/** A tab that is opened later must not find an old value. */
function removeStored(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // The browser keeps nothing.
  }
}
