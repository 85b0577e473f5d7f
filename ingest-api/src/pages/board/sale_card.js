import { peopleOf, ratesOf, unitsOf } from "./sale_rates.js";

/** A sale that is closed stays as it is. */
const isChangeable = (figures) => figures !== null && figures.status !== "closed";

function statusOf({ figures, queue, isUnknown }) {
  const isPaused = queue?.state === "paused" && figures.status === "open";
  return isUnknown ? "unknown" : isPaused ? "paused" : figures?.status;
}

/** What the board shows of one sale. */
export class SaleCard {
  element;
  #texts;
  #sale = null;
  #status = null;

  /** Calls `act(kind, sale)` when a button is pressed. */
  constructor(product, texts, act) {
    this.#texts = texts;
    this.element = document.getElementById("sale").content.firstElementChild.cloneNode(true);
    fillTexts(this.element, texts);
    const title = this.#part("product");
    title.textContent = product;
    title.id = `sale-${product}`;
    this.element.setAttribute("aria-labelledby", title.id);
    this.#part("page").href = `/sales/${encodeURIComponent(product)}`;
    for (const button of this.element.querySelectorAll("[data-act]")) {
      const kind = button.dataset.act;
      // Several sales have a button of the same name.
      button.setAttribute("aria-label", texts.get(`board.act.${kind}`, { product }));
      button.addEventListener("click", () => act(kind, this.#sale));
    }
  }

  /** Shows a sale at a time of the server's clock; returns what to say about it to people who do not see it. */
  show(sale, now) {
    this.#sale = sale;
    const { figures, queue } = sale;
    const status = statusOf(sale);
    this.element.dataset.status = status ?? "";
    this.#setOptional("status", status && this.#texts.get(`status.${status}`));
    this.#setOptional("time", figures && this.#time(figures, now));
    this.#setOptional("unknown", sale.isUnknown && this.#texts.get("board.unknown"));
    const { problem } = sale;
    this.#setOptional("problem", problem && this.#texts.get("board.problem", problem));
    this.#part("figures").hidden = !figures;
    this.#part("page").hidden = !figures;
    if (figures) {
      this.#showFigures(sale);
    }
    this.#showActions(sale);
    return this.#announcement(status);
  }

  #time({ status, opensAt, closesAt }, now) {
    const [opens, closes] = [Date.parse(opensAt), Date.parse(closesAt)];
    const said = (key, at) =>
      this.#texts.get(key, { time: this.#texts.time(at), left: this.#texts.countdown(at - now) });
    if (status === "closed") {
      return closes <= now ? said("board.closedAt", closes) : said("board.openedAt", opens);
    }
    if (status === "scheduled" && opens > now) {
      return said("board.opensAt", opens);
    }
    return Number.isNaN(closes) ? said("board.openedAt", opens) : said("board.closesAt", closes);
  }

  #showFigures({ figures, queue, readings }) {
    const texts = this.#texts;
    const rates = ratesOf(readings);
    const units = unitsOf(figures);
    const number = (value) => (Number.isFinite(value) ? texts.number(value) : texts.get("board.notKnown"));
    const rate = (value) => (Number.isFinite(value) ? texts.number(roundedRate(value)) : texts.get("board.notKnown"));
    const hasHolds = figures.held !== undefined;
    this.#showBar(units, figures.total);
    this.#showList("stock", [
      ["board.figure.left", number(figures.remaining), texts.get("board.ofTotal", { total: figures.total })],
      hasHolds && ["board.figure.held", number(figures.held)],
      [hasHolds ? "board.figure.paid" : "board.figure.sold", number(units.taken)],
      ["board.figure.ordersPerSecond", rate(rates?.orders)],
    ]);
    this.#part("queue").hidden = !queue;
    if (queue) {
      const people = peopleOf(figures, queue);
      this.#showList("people", [
        ["board.figure.joined", number(people.joined)],
        ["board.figure.served", number(people.served)],
        ["board.figure.waiting", number(people.waiting)],
        ["board.figure.servedPerSecond", rate(rates?.served), texts.get("board.ofRate", { rate: queue.admitPerSecond })],
      ]);
    }
    this.#showList("written", [
      ["board.figure.orders", number(figures.orders)],
      ["board.figure.outbox", number(figures.outboxEntries)],
      ["board.figure.ledger", number(figures.ledger?.sold)],
    ]);
  }

  #showBar({ taken, held, remaining }, total) {
    for (const [name, units] of Object.entries({ taken, held, remaining })) {
      this.#part(`bar-${name}`).style.flexGrow = units / total;
    }
  }

  #showActions({ figures, queue, isUnknown }) {
    const hasPause = isChangeable(figures) && queue !== null && "paused" in queue;
    const shown = {
      restock: isChangeable(figures),
      close: isChangeable(figures),
      pause: hasPause && !queue.paused,
      continue: hasPause && queue.paused,
      rate: hasPause,
      open: isUnknown,
      hide: true,
    };
    for (const button of this.element.querySelectorAll("[data-act]")) {
      button.hidden = !shown[button.dataset.act];
    }
  }

  /** A list of names and values, `[key, value, note]`. Rows stay, and only what has changed is written. */
  #showList(name, entries) {
    const list = this.#part(name);
    const known = entries.filter(Boolean);
    const keys = known.map(([key]) => key).join(" ");
    if (list.dataset.keys !== keys) {
      list.dataset.keys = keys;
      list.replaceChildren(...known.map(([key]) => row(this.#texts.get(key))));
    }
    known.forEach(([, value, note], index) => {
      const [shown, small] = list.children[index].querySelectorAll("dd span");
      setText(shown, value);
      setText(small, note ? ` ${note}` : "");
    });
  }

  #announcement(status) {
    const isNew = status && this.#status && status !== this.#status;
    this.#status = status ?? this.#status;
    const text = isNew && this.#texts.get(`status.${status}`);
    return text ? this.#texts.get("board.announce", { product: this.#sale.product, status: text }) : null;
  }

  #setOptional(name, text) {
    this.#part(name).hidden = !text;
    setText(this.#part(name), text || "");
  }

  #part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }
}

/** Fills the elements that name their texts. */
export function fillTexts(root, texts) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = texts.get(element.dataset.text);
  }
}

function row(name) {
  const element = document.createElement("div");
  const value = document.createElement("dd");
  const small = Object.assign(document.createElement("span"), { className: "note" });
  value.append(document.createElement("span"), small);
  element.append(Object.assign(document.createElement("dt"), { textContent: name }), value);
  return element;
}

/** Slow sales show a digit more. */
const roundedRate = (value) => (value < 10 ? Math.round(10 * value) / 10 : Math.round(value));

/** Leaves a text alone that stays the same, so that a selection in it stays. */
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
