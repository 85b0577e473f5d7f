/** The page of a sale, at /sales/{productId}. docs/PAGES.md tells how the modules work together. */
import { Api } from "./api.js";
import { BrowserStore } from "./browser_store.js";
import { Feed } from "./feed.js";
import { Leader } from "./leader.js";
import { stateOf } from "./sale_state.js";
import { ServerClock } from "./server_clock.js";
import { Texts } from "./texts.js";
import { View } from "./view.js";

const TICK_MS = 250;
/** How often the tab that leads tells what it knows although nothing has changed. Browsers slow down tabs in the background. */
const TELL_MS = 5_000;
/** A tab that is looked at takes over if it has been told nothing for so long; a new one, whose question is answered at once, earlier. */
const SILENCE_MS = 20_000;
const FIRST_SILENCE_MS = 1_500;

const product = decodeURIComponent(location.pathname.split("/")[2]);
const settings = JSON.parse(document.querySelector('meta[name="fluxgate-settings"]').content);
const view = new View(await Texts.load(), product);
const clock = new ServerClock();
const store = new BrowserStore(product);
const api = new Api(clock);
const feed = new Feed({ product, api, clock, store, settings, onFacts: tellFacts });
const leader = new Leader(`fluxgate:sale:${product}`, {
  lead: (signal) => {
    feed.run(signal);
    tellFacts();
  },
  onMessage: hear,
});
let toldAt = Date.now();
let isTold = false;

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
    isTold = true;
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
    forget();
  } else if (kind === "buy") {
    store.buy(quantity);
  } else {
    store.ticket = null;
    store.isJoining = true;
  }
}

function forget() {
  const isUnknown = feed.facts.order?.status === "unknown";
  store.forgetOrder();
  if (isUnknown && settings.hasIdentity) {
    // Somebody else has signed in, and the ticket is not theirs either.
    store.ticket = null;
  }
}

function show() {
  const known = {
    now: clock.now(),
    ticket: store.ticket,
    order: store.order,
    isJoining: store.isJoining,
    aheadAtFirst: store.aheadAtFirst,
    settings,
  };
  feed.outdateRefusal(stateOf({ ...known, facts: feed.facts }).name);
  view.show({ ...known, facts: feed.facts });
}

function tick() {
  show();
  const silenceMs = Date.now() - toldAt;
  const mostMs = isTold ? SILENCE_MS : FIRST_SILENCE_MS;
  if (leader.leads && silenceMs > TELL_MS) {
    tellFacts();
  } else if (silenceMs > mostMs && document.visibilityState === "visible") {
    leader.take();
  }
}

store.onChange(() => {
  feed.storeChanged();
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
