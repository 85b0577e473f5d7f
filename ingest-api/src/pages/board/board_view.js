import { SaleCard, fillTexts } from "./sale_card.js";

const element = (id) => document.getElementById(id);

/** Shows the board: the cards of the sales, or the form that asks for a token. */
export class BoardView {
  #texts;
  #act;
  #cards = new Map();

  /** Calls `act(kind, sale)` when a button of a sale is pressed. */
  constructor(texts, act) {
    this.#texts = texts;
    this.#act = act;
    document.documentElement.lang = texts.language;
    document.title = texts.get("board.title");
    fillTexts(document, texts);
  }

  /** `refusal` says why the last token was not accepted. */
  showSignIn(refusal = "") {
    document.body.dataset.state = "signed_out";
    element("sign-in").hidden = false;
    element("board").hidden = true;
    element("notice").hidden = true;
    this.#cards.clear();
    element("sales").replaceChildren();
    element("sign-in-refusal").hidden = !refusal;
    element("sign-in-refusal").textContent = refusal;
    element("token").value = "";
    element("token").focus();
  }

  showBoard() {
    document.body.dataset.state = "signed_in";
    element("sign-in").hidden = true;
    element("board").hidden = false;
  }

  show({ sales, failures, answeredAt, retryAt }, now) {
    const said = sales.map((sale) => this.#card(sale.product).show(sale, now)).filter(Boolean);
    this.#showOrder(sales);
    element("nothing").hidden = sales.length > 0;
    const time = answeredAt && this.#texts.clock(now - (Date.now() - answeredAt));
    this.#showNotice(failures, time, retryAt);
    element("updated").textContent = time && failures === 0 ? this.#texts.get("board.updated", { time }) : "";
    if (said.length > 0) {
      element("announcement").textContent = said.join(" ");
    }
  }

  #card(product) {
    const known = this.#cards.get(product);
    const card = known ?? new SaleCard(product, this.#texts, this.#act);
    this.#cards.set(product, card);
    return card;
  }

  /** Leaves cards alone that stay: a card that is moved loses the focus. */
  #showOrder(sales) {
    const products = new Set(sales.map(({ product }) => product));
    for (const [product, card] of this.#cards) {
      if (!products.has(product)) {
        card.element.remove();
        this.#cards.delete(product);
      }
    }
    for (const [product, card] of this.#cards) {
      if (!card.element.isConnected) {
        element("sales").append(card.element);
        card.element.dataset.product = product;
      }
    }
  }

  #showNotice(failures, time, retryAt) {
    const isOffline = navigator.onLine === false;
    const isShown = isOffline || failures > 0;
    element("notice").hidden = !isShown;
    document.body.classList.toggle("outdated", isShown);
    const key = isOffline ? "board.offline" : "board.unavailable";
    const text = isShown ? this.#texts.get(key) : "";
    const since = isShown && time ? ` ${this.#texts.get("board.outdated", { time })}` : "";
    if (element("notice-text").textContent !== text + since) {
      element("notice-text").textContent = text + since;
    }
    const seconds = Math.ceil((retryAt - Date.now()) / 1_000);
    const isCounted = isShown && !isOffline && seconds > 0;
    element("notice-next").textContent = isCounted ? this.#texts.get("notice.next", { count: seconds }) : "";
  }
}
