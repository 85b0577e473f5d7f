/** The board, at /board?sale={productId}&sale=…. docs/PAGES.md tells how the modules work together. */
import { AdminSession, isToken } from "./admin_session.js";
import { Api } from "./api.js";
import { BoardActions } from "./board_actions.js";
import { BoardFeed } from "./board_feed.js";
import { BoardView } from "./board_view.js";
import { Confirmation, problemText } from "./confirmation.js";
import { OpeningForm } from "./opening_form.js";
import { ServerClock } from "./server_clock.js";
import { Texts } from "./texts.js";

const TICK_MS = 1_000;
/** Each is read every two seconds. */
const SALES_MAX = 20;
/** Whether a token is accepted can be asked of any sale. */
const ANY_PRODUCT = "-";

const texts = await Texts.load();
const clock = new ServerClock();
const api = new Api(clock);
const session = new AdminSession();
const view = new BoardView(texts, act);
const confirmation = new Confirmation(texts);
const actions = new BoardActions({ texts, api, session });
const feed = new BoardFeed({ api, session, onChange: show, onRefused: signOut });
const opening = new OpeningForm(texts, open);
let term = null;

const products = () => new URLSearchParams(location.search).getAll("sale").filter(Boolean).slice(0, SALES_MAX);

/** The address names the sales, so that it can be kept as a bookmark. */
function rememberProducts() {
  const search = new URLSearchParams(feed.sales.map(({ product }) => ["sale", product]));
  history.replaceState(null, "", search.size > 0 ? `?${search}` : location.pathname);
}

function show() {
  view.show(feed, clock.now());
}

function begin() {
  term = new AbortController();
  view.showBoard();
  products().forEach((product) => feed.show(product));
  show();
  feed.run(term.signal);
}

/** `refused` is an answer that says that the token is not accepted. */
function signOut(refused) {
  term?.abort();
  session.end();
  feed.sales = [];
  view.showSignIn(refused ? refusalText(refused) : "");
}

function refusalText(refused) {
  return `${texts.get("board.tokenRefused")} ${problemText(texts, refused)}`;
}

async function signIn(token) {
  if (!isToken(token)) {
    view.showSignIn(texts.get("board.noToken"));
    return;
  }
  session.token = token;
  const path = `/products/${encodeURIComponent(products()[0] ?? ANY_PRODUCT)}/figures`;
  const answer = await api.call("GET", path, { headers: session.headers });
  if ([401, 403].includes(answer.status)) {
    signOut(answer);
  } else if (answer.status) {
    begin();
  } else {
    session.end();
    view.showSignIn(texts.get("board.unavailable"));
  }
}

function showSale(product) {
  const isRoom = feed.sales.length < SALES_MAX;
  document.getElementById("full").hidden = isRoom;
  if (isRoom) {
    feed.show(product);
    rememberProducts();
    show();
  }
}

async function act(kind, sale) {
  if (kind === "hide") {
    feed.hide(sale.product);
    rememberProducts();
    document.getElementById("product").focus();
  } else if (kind === "open") {
    opening.show(sale.product);
  } else {
    const action = kind === "continue" ? actions.pause(sale) : actions[kind](sale);
    await confirmation.ask(action);
    feed.wake();
  }
}

async function open(product, terms, lines) {
  if (await confirmation.ask(actions.open(product, terms, lines))) {
    opening.reset();
    showSale(product);
  }
}

function onSubmit(id, input, take) {
  document.getElementById(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const field = document.getElementById(input);
    take(field.value.trim());
    field.value = "";
  });
}

onSubmit("sign-in-form", "token", signIn);
onSubmit("show-sale", "product", showSale);
document.getElementById("open").addEventListener("click", () => opening.show());
document.getElementById("sign-out").addEventListener("click", () => signOut());
for (const [target, event] of [[window, "online"], [window, "pageshow"], [document, "visibilitychange"]]) {
  target.addEventListener(event, () => feed.wake());
}
addEventListener("offline", show);
setInterval(() => term && !term.signal.aborted && show(), TICK_MS);
if (session.token) {
  begin();
} else {
  view.showSignIn();
}
