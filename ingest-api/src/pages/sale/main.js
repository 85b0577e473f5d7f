/** The page of a sale, at /sales/{productId}. docs/PAGES.md tells how the modules work together. */
import { Api } from "./api.js";
import { BrowserStore } from "./browser_store.js";
import { Feed } from "./feed.js";
import { Leader } from "./leader.js";
import { ServerClock } from "./server_clock.js";
import { Texts } from "./texts.js";
import { View } from "./view.js";

const TICK_MS = 250;
/** How often the tab that leads tells what it knows although nothing has changed. Browsers slow down tabs in the background. */
const TELL_MS = 5_000;
/** A tab that is looked at takes over if it has been told nothing for so long. */
const SILENCE_MS = 20_000;

const product = decodeURIComponent(location.pathname.split("/")[2]);
const settings = JSON.parse(document.querySelector('meta[name="fluxgate-settings"]').content);
const view = new View(await Texts.load(), product);
const clock = new ServerClock();
const store = new BrowserStore(product);
const api = new Api(clock);
const feed = new Feed({ product, api, clock, store, settings, onFacts: tellFacts });
const leader = new Leader(`fluxgate:sale:${product}`, {
  lead: (signal) => feed.run(signal),
  onMessage: hear,
});
let toldAt = Date.now();

/** The tab that leads tells the others what it has learned. */
function tellFacts() {
  toldAt = Date.now();
  leader.tell({ facts: feed.facts, clock: clock.bounds });
  show();
}

function hear(message) {
  if (message.isNew) {
    if (leader.leads) {
      tellFacts();
    }
  } else if (!leader.leads) {
    toldAt = Date.now();
    feed.facts = message.facts;
    clock.bounds = message.clock;
    show();
  }
}

/** Whatever the buyer asks for is kept first, so that it is done although this tab is closed or reloaded. */
function act(kind, quantity) {
  feed.facts = { ...feed.facts, refusal: null };
  leader.take();
  if (kind === "forget") {
    store.forgetOrder();
  } else if (kind === "buy") {
    store.buy(quantity);
  } else {
    store.ticket = null;
    store.isJoining = true;
  }
}

function show() {
  view.show({
    facts: feed.facts,
    now: clock.now(),
    ticket: store.ticket,
    order: store.order,
    isJoining: store.isJoining,
    aheadAtFirst: store.aheadAtFirst,
    settings,
  });
}

function tick() {
  show();
  const silenceMs = Date.now() - toldAt;
  if (leader.leads && silenceMs > TELL_MS) {
    tellFacts();
  } else if (silenceMs > SILENCE_MS && document.visibilityState === "visible") {
    leader.take();
  }
}

store.onChange(() => {
  feed.wake();
  show();
});
view.onAction(act);
for (const [target, event] of [[window, "online"], [window, "pageshow"], [document, "visibilitychange"]]) {
  target.addEventListener(event, () => document.visibilityState === "visible" && feed.wake());
}
addEventListener("offline", show);
leader.start();
leader.tell({ isNew: true });
setInterval(tick, TICK_MS);
show();
