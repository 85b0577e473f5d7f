import { isUnavailable, stateOf, stepsOf } from "./sale_state.js";

/** A button that has just got another meaning takes no click for so long: a double click must not buy. */
const MEANING_CHANGED_MS = 700;
/** Longer, if it leaves the order: somebody who presses "Buy" again and again must not miss that it is confirmed, and buy twice. */
const FORGET_AFTER_MS = 3_000;
/** How often a place is read out. */
const PLACE_ANNOUNCED_MS = 30_000;
/** What the buyer has to look at, so the tab's title says so. */
const URGENT = new Set(["turn", "turn_paused", "order_held", "order_held_unlinked"]);

const element = (id) => document.getElementById(id);

/** Shows the state of the page. */
export class View {
  #texts;
  #product;
  #shown = null;
  #changedAt = 0;
  #announcedAt = 0;

  constructor(texts, product) {
    this.#texts = texts;
    this.#product = product;
    document.documentElement.lang = texts.language;
    setText("product", product);
    for (const id of ["next", "terms", "draw"]) {
      setText(`${id}-title`, texts.get(id));
    }
    setText("draw-text", texts.get("draw.text"));
    setText("quantity-label", texts.get("quantity"));
    setText("pay", texts.get("pay"));
  }

  /** Calls `act(kind, quantity)` when the button is pressed. */
  onAction(act) {
    element("action").addEventListener("submit", (event) => {
      event.preventDefault();
      const takesAfterMs = this.#shown?.action === "forget" ? FORGET_AFTER_MS : MEANING_CHANGED_MS;
      const isNew = performance.now() - this.#changedAt < takesAfterMs;
      const isBusy = element("button").getAttribute("aria-disabled") === "true";
      if (this.#shown && !isNew && !isBusy) {
        act(this.#shown.action, Number(element("quantity").value || 1));
      }
    });
  }

  show(view) {
    const state = stateOf(view);
    const isOther = state.name !== this.#shown?.name;
    if (state.action !== this.#shown?.action) {
      this.#changedAt = performance.now();
    }
    this.#shown = state;
    document.body.dataset.state = state.name;
    this.#showMain(state, view);
    this.#showAction(state);
    this.#showRefusal(view);
    this.#showNotice(view);
    this.#showUpdated(view);
    this.#showSteps(state, view);
    this.#showTerms(view);
    this.#showDraw(view);
    this.#announce(state, isOther);
  }

  #showMain(state, view) {
    const texts = this.#texts;
    const { args = {}, figure, estimate } = state;
    const turn = args.turnSeconds && texts.duration(args.turnSeconds);
    const filled = { ...args, turn, until: args.until && texts.time(new Date(args.until)) };
    const headline = texts.get(`${state.name}.headline`);
    setText("headline", headline);
    setText("explanation", texts.get(`${state.name}.text`, filled));
    const status = (view.facts.queue ?? view.facts.sale)?.[view.facts.queue ? "state" : "status"];
    setOptional("status", status && texts.get(`status.${status}`));
    document.body.dataset.status = status ?? "";
    element("figure").hidden = !figure;
    if (figure) {
      const isCountdown = figure.until !== undefined;
      const value = isCountdown ? texts.countdown(figure.until - view.now) : texts.number(figure.count);
      setText("figure-value", value);
      setText("figure-label", texts.get(`figure.${figure.label}`, { count: figure.count }));
    }
    element("progress").hidden = state.progress === undefined;
    if (state.progress !== undefined) {
      element("progress").value = state.progress;
      element("progress").setAttribute("aria-label", texts.get("progress"));
    }
    setOptional("estimate", estimate && texts.get("estimate", { range: texts.range(estimate) }));
    document.title = this.#title(state, headline);
  }

  #title({ name, figure }, headline) {
    const { label, count } = figure ?? {};
    const mark = URGENT.has(name) ? "● " : "";
    return label === "ahead" && name === "waiting"
      ? this.#texts.get("titleOf.waiting", { ahead: count, product: this.#product })
      : mark + this.#texts.get("titleOf", { headline, product: this.#product });
  }

  #showAction({ action, isBusy, quantityMax, payUrl }) {
    element("action").hidden = !action;
    if (action) {
      const button = element("button");
      const busy = { join: "joining", buy: "buying" }[action];
      setText("button", this.#texts.get(`action.${isBusy ? busy : action}`));
      // Not `disabled`: a button that loses the focus loses the place of a visitor who uses a keyboard.
      button.setAttribute("aria-disabled", String(Boolean(isBusy)));
      button.classList.toggle("quiet", action === "forget");
    }
    const isBuying = action === "buy" && !isBusy;
    element("quantity-field").hidden = !isBuying || quantityMax <= 1;
    if (isBuying) {
      showQuantities(quantityMax);
    }
    element("pay").parentElement.hidden = !payUrl;
    if (payUrl && element("pay").getAttribute("href") !== payUrl) {
      element("pay").href = payUrl;
    }
  }

  #showRefusal({ facts }) {
    const { code, requestId = "–", until = 0 } = facts.refusal ?? {};
    const key = this.#texts.has(`refusal.${code}`) ? `refusal.${code}` : "refusal.other";
    const time = this.#texts.time(new Date(until));
    setText("refusal", code ? this.#texts.get(key, { code, requestId, time }) : "");
  }

  #showNotice({ facts, ticket, order }) {
    const isOffline = navigator.onLine === false;
    const isShown = isOffline || isUnavailable(facts);
    element("notice").classList.toggle("empty", !isShown);
    const kept = [ticket && "notice.place", order && !order.id && "notice.order"];
    const sentences = [isOffline ? "notice.offline" : "notice.unavailable", ...kept].filter(Boolean);
    setText("notice-text", isShown ? sentences.map((key) => this.#texts.get(key)).join(" ") : "");
    const seconds = Math.ceil((facts.retryAt - Date.now()) / 1_000);
    const isCounted = isShown && !isOffline && seconds > 0;
    setText("notice-next", isCounted ? this.#texts.get("notice.next", { count: seconds }) : "");
  }

  #showUpdated({ facts, now }) {
    const { answeredAt } = facts;
    const time = answeredAt && this.#texts.clock(now - (Date.now() - answeredAt));
    setOptional("updated", time && this.#texts.get("updated", { time }));
  }

  #showSteps({ step }, { facts }) {
    const isShown = Boolean(facts.sale && step);
    element("next").hidden = !isShown;
    if (!isShown) {
      return;
    }
    const steps = stepsOf(facts);
    const current = step === "end" ? steps.length : steps.indexOf(step);
    const list = element("steps");
    const shown = JSON.stringify([steps, current]);
    if (list.dataset.shown === shown) {
      return;
    }
    list.dataset.shown = shown;
    list.replaceChildren(...steps.map((name, index) => this.#step(name, index - current)));
  }

  #step(name, distance) {
    const item = document.createElement("li");
    item.textContent = this.#texts.get(`step.${name}`);
    if (distance === 0) {
      item.setAttribute("aria-current", "step");
    } else if (distance < 0) {
      item.className = "done";
      const spoken = document.createElement("span");
      spoken.className = "spoken";
      spoken.textContent = ` (${this.#texts.get("step.isDone")})`;
      item.append(spoken);
    }
    return item;
  }

  #showTerms({ facts, order }) {
    const { sale, queue } = facts;
    element("terms").hidden = !sale && !order?.id;
    const texts = this.#texts;
    const seconds = (value) => value && texts.duration(value);
    const time = (value) => value && texts.time(new Date(value));
    const number = (value) => Number.isFinite(value) && texts.number(value);
    showFacts("facts", [
      [texts.get("terms.order"), order?.id],
      [texts.get("terms.quantity"), order?.id && number(order.quantity)],
      [texts.get("terms.opensAt"), time(sale?.opensAt)],
      [texts.get("terms.closesAt"), time(sale?.closesAt)],
      [texts.get("terms.units"), number(sale?.total)],
      [texts.get("terms.remaining"), number((queue ?? sale)?.remaining)],
      [texts.get("terms.limit"), number(sale?.perUserLimit)],
      [texts.get("terms.turn"), seconds(queue?.turnSeconds)],
      [texts.get("terms.pay"), seconds(sale?.holdSeconds)],
      [texts.get("terms.joined"), number(queue?.joined)],
    ]);
  }

  #showDraw({ facts }) {
    const { queue, isDrawVerified } = facts;
    element("draw").hidden = !queue;
    if (queue) {
      const texts = this.#texts;
      const check = { true: "draw.matches", false: "draw.differs", null: "draw.unchecked" }[isDrawVerified];
      showFacts("draw-facts", [
        [texts.get("draw.fingerprint"), queue.seedSha256],
        [texts.get("draw.number"), queue.seed ?? texts.get("draw.hidden")],
        [texts.get("draw.check"), queue.seed && texts.get(check)],
      ]);
    }
  }

  /** Says what has changed to people who do not see it. Countdowns are not read out. */
  #announce({ figure, estimate }, isOther) {
    const isPlaceDue = figure?.label === "ahead" && Date.now() - this.#announcedAt > PLACE_ANNOUNCED_MS;
    if (!isOther && !isPlaceDue) {
      return;
    }
    this.#announcedAt = Date.now();
    const place = figure?.label === "ahead" && element("figure").textContent;
    const parts = [isOther && element("headline").textContent, place, estimate && element("estimate").textContent];
    const explanation = isOther && element("explanation").textContent;
    setText("announcement", [...parts, explanation].filter(Boolean).join(". "));
  }
}

function showQuantities(most) {
  const select = element("quantity");
  if (select.options.length !== most) {
    const chosen = Math.min(select.value || 1, most);
    const options = Array.from({ length: most }, (_, index) => new Option(index + 1, index + 1));
    select.replaceChildren(...options);
    select.value = chosen;
  }
}

/** A list of names and values; those without a value are left out. */
function showFacts(id, facts) {
  const list = element(id);
  const known = facts.filter(([, value]) => value);
  const shown = JSON.stringify(known);
  if (list.dataset.shown === shown) {
    return;
  }
  list.dataset.shown = shown;
  const rows = known.map(([name, value]) => {
    const row = document.createElement("div");
    for (const [tag, text] of [["dt", name], ["dd", value]]) {
      row.append(Object.assign(document.createElement(tag), { textContent: text }));
    }
    return row;
  });
  list.replaceChildren(...rows);
}

function setOptional(id, text) {
  element(id).hidden = !text;
  setText(id, text || "");
}

/** Leaves a text alone that stays the same: screen readers would read it again. */
function setText(id, text) {
  const target = element(id);
  if (target.textContent !== text) {
    target.textContent = text;
  }
}
