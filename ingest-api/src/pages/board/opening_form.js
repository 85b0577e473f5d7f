const NUMBERS = ["quantity", "perUserLimit", "ordersPerSecond", "holdSeconds", "holdGraceSeconds", "unpaidPerUser"];
const QUEUE_NUMBERS = ["admitPerSecond", "turnSeconds", "overbook"];

/** The form of a sale that is to be opened. What is left empty is left out of the terms. */
export class OpeningForm {
  #texts;
  #form = document.getElementById("opening");
  #section = document.getElementById("opening-section");

  /** Calls `open(product, terms, lines)` when the form is sent; `lines` says on which terms. */
  constructor(texts, open) {
    this.#texts = texts;
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    document.getElementById("opening-zone").textContent = texts.get("board.open.zone", { zone });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const terms = this.#terms();
      open(this.#input("product").value, terms, this.#lines(terms));
    });
    document.getElementById("opening-cancel").addEventListener("click", () => this.hide());
  }

  show(product = "") {
    this.#section.hidden = false;
    this.#input("product").value = product || this.#input("product").value;
    this.#input(product ? "quantity" : "product").focus();
  }

  hide() {
    this.#section.hidden = true;
  }

  reset() {
    this.#form.reset();
    this.hide();
  }

  #input(name) {
    return this.#form.elements.namedItem(name);
  }

  #terms() {
    const admits = this.#input("admitPerSecond").value;
    const queue = { ...this.#numbers(QUEUE_NUMBERS), ...this.#times(["joinFrom", "joinUntil"]) };
    const ordersPerUser = this.#input("ordersPerUser").value;
    return {
      ...this.#numbers(NUMBERS),
      ...this.#times(["opensAt", "closesAt"]),
      ...(ordersPerUser && { ordersPerUser }),
      ...(this.#input("buyerCancel").checked && { buyerCancel: true }),
      ...(admits && { queue }),
    };
  }

  #numbers(names) {
    const said = names.filter((name) => this.#input(name).value !== "");
    return Object.fromEntries(said.map((name) => [name, this.#input(name).valueAsNumber]));
  }

  /** The form has the browser's time. */
  #times(names) {
    const said = names.filter((name) => this.#input(name).value !== "");
    return Object.fromEntries(said.map((name) => [name, new Date(this.#input(name).value).toISOString()]));
  }

  #lines({ quantity, opensAt, closesAt, queue, ...limits }) {
    const texts = this.#texts;
    const at = (time) => texts.time(new Date(time));
    const { perUserLimit, ordersPerSecond, ordersPerUser, holdSeconds } = limits;
    return [
      texts.get("board.open.quantity", { count: quantity }),
      opensAt ? texts.get("board.open.opensAt", { time: at(opensAt) }) : texts.get("board.open.opensNow"),
      closesAt ? texts.get("board.open.closesAt", { time: at(closesAt) }) : texts.get("board.open.closesNever"),
      perUserLimit ? texts.get("board.open.perUser", { count: perUserLimit }) : texts.get("board.open.perUserNone"),
      ordersPerSecond && texts.get("board.open.perSecond", { count: ordersPerSecond }),
      ordersPerUser && texts.get("board.open.perWindow", { limit: ordersPerUser }),
      holdSeconds && texts.get("board.open.holds", { time: texts.duration(holdSeconds) }),
      queue && texts.get("board.open.admits", { count: queue.admitPerSecond }),
    ];
  }
}
