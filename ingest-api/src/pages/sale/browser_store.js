/**
 * What the browser keeps of a sale, for all its tabs: the ticket, the order, what the buyer has asked for. The ticket and the user's id
 * are also in cookies, so that they survive the loss of one of the two.
 */

const COOKIE_SECONDS = 30 * 24 * 3_600;

export class BrowserStore {
  #product;
  /** Used if the browser keeps nothing. */
  #memory = new Map();
  #onChange = () => {};

  constructor(product) {
    this.#product = product;
    this.#createOrderKey();
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(this.#key(""))) {
        this.#onChange();
      }
    });
  }

  /** Calls `listener` for every change, also of other tabs. */
  onChange(listener) {
    this.#onChange = listener;
  }

  /** A user id of this browser alone, for sales without an identity provider. */
  get user() {
    const known = this.#read("fluxgate:user") ?? cookie("fluxgate_user");
    const user = known ?? `web-${randomHex(16)}`;
    if (!known) {
      this.#write("fluxgate:user", user);
      setCookie("fluxgate_user", user, "/sales");
    }
    return user;
  }

  get ticket() {
    return this.#read(this.#key("ticket")) ?? cookie("fluxgate_ticket");
  }

  set ticket(ticket) {
    setCookie("fluxgate_ticket", ticket, `/sales/${this.#product}`);
    this.#put("ticket", ticket);
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

  #key(name) {
    return `fluxgate:sale:${this.#product}:${name}`;
  }

  #put(name, value) {
    this.#write(this.#key(name), value);
    this.#onChange();
  }

  #read(key) {
    try {
      return localStorage.getItem(key) ?? this.#memory.get(key) ?? null;
    } catch {
      return this.#memory.get(key) ?? null;
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
    }
  }
}

function cookie(name) {
  const found = document.cookie.split("; ").find((it) => it.startsWith(`${name}=`));
  return found?.slice(name.length + 1) || null;
}

function setCookie(name, value, path) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const seconds = value === null ? 0 : COOKIE_SECONDS;
  document.cookie = `${name}=${value ?? ""}; Path=${path}; Max-Age=${seconds}; SameSite=Strict${secure}`;
}

function randomHex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
