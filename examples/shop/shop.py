"""A shop that sells through Fluxgate: it places orders, takes payments, and captures them once their orders are completed.

    API_URL=http://127.0.0.1:8080 ADMIN_TOKEN=... python3 shop.py PRODUCT BUYERS

So many buyers order one unit each of a sale with holds. All that the shop has to remember is in the file shop.db. Kill the
program at any time and start it again: it goes on with every attempt that has not ended. Several URLs of the API, separated
by commas, are asked in turn. Python 3.9 or newer, standard library only."""
import concurrent.futures, contextlib, http.client, itertools, json, os, random, sqlite3, sys, time, urllib.parse, uuid

import payments

URLS = itertools.cycle([urllib.parse.urlsplit(url) for url in os.environ["API_URL"].split(",")])
ADMIN_TOKEN = os.environ["ADMIN_TOKEN"]
TIMEOUT_SECONDS = 10
AT_ONCE = 32

# An attempt is one purchase of one buyer. These are its states that are not an end, and what the shop does in each.
OPEN = (
    "new",         # place the order, or find out whether it was placed
    "to_pay",      # ask for the payment
    "authorised",  # complete the order
    "completed",   # capture the payment
    "void",        # give the money back
)  # The ends: refused, unpaid, captured, given_back.
# The refusals of `complete` that give the money back: the first one says that the payment came too late.
WITHOUT_UNITS = ("order_expired", "order_cancelled", "order_rejected", "unknown_order")


def sql(statement, *values):
    """Runs a statement in its own connection and transaction, so that threads and processes can share the file."""
    with contextlib.closing(sqlite3.connect("shop.db", timeout=30)) as db, db:
        db.row_factory = sqlite3.Row
        return db.execute(statement, values).fetchall()


def call(method, path, body=None, headers={}):
    """Sends one request: (status, JSON object, seconds to wait). (0, {}, 0) if there was no answer, or only a part of one."""
    url = next(URLS)
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json", **headers}
    try:
        with contextlib.closing(connect(url.netloc, timeout=TIMEOUT_SECONDS)) as connection:
            connection.request(method, url.path + path, body and json.dumps(body), headers)
            response = connection.getresponse()
            status, wait = response.status, response.getheader("Retry-After", "")
            answer = json.load(response)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}, 0
    if status in (401, 403):
        sys.exit(f"the API refuses the token: {answer}")
    return status, answer if isinstance(answer, dict) else {}, int(wait) if wait.isdecimal() else 0


def is_refusal(status, answer):
    """Whether Fluxgate has decided against the order. After any other error nobody knows: send it again."""
    return 400 <= status < 500 and status not in (408, 429) and "code" in answer


def begin(product, user):
    """Stores a new attempt with its key, before anything is sent. The key stays the same whatever happens to the shop."""
    sql("INSERT INTO attempts (key, product, user) VALUES (?, ?, ?)", str(uuid.uuid4()), product, user)


def move(attempt, state, reason=None, order_id=None):
    """Ends a step. Only one of two that do the same step at the same time moves the attempt."""
    sql("UPDATE attempts SET state = ?, reason = ?, order_id = coalesce(?, order_id) WHERE key = ? AND state = ?",
        state, reason, order_id, attempt["key"], attempt["state"])


def place(attempt):
    body = {"productId": attempt["product"], "userId": attempt["user"], "quantity": 1}
    status, answer, wait = call("POST", "/orders", body, {"Idempotency-Key": attempt["key"]})
    if status == 202 and answer.get("status") == "rejected":
        move(attempt, "refused", "rejected", answer["orderId"])
    elif status == 202 and "orderId" in answer:
        move(attempt, "to_pay", order_id=answer["orderId"])
    elif answer.get("code") in ("sale_not_open", "not_your_turn") or answer.get("code") == "sold_out" and answer.get("held"):
        return max(wait, 1)  # for now: the sale opens, the turn comes, or others do not pay and their units come back
    elif is_refusal(status, answer):
        move(attempt, "refused", answer["code"], answer.get("orderId"))
    return wait


def pay(attempt):
    if payments.authorise(attempt["order_id"]):
        move(attempt, "authorised")
    else:
        move(attempt, "unpaid", "declined")  # the order expires by itself
    return 0


def complete(attempt):
    status, answer, wait = call("POST", f"/orders/{attempt['order_id']}/complete")
    if status == 200 and answer.get("status") == "completed":
        move(attempt, "completed")
    elif status in (404, 409) and answer.get("code") in WITHOUT_UNITS:
        move(attempt, "void", answer["code"])
    return wait  # 202: it counts, but is not written yet; only 200 says that the units are the buyer's


def capture(attempt):
    payments.capture(attempt["order_id"])
    move(attempt, "captured")
    return 0


def give_back(attempt):
    payments.give_back(attempt["order_id"])
    move(attempt, "given_back", attempt["reason"])
    return 0


STEPS = dict(zip(OPEN, (place, pay, complete, capture, give_back)))


def find(key):
    return sql("SELECT * FROM attempts WHERE key = ?", key)[0]


def finish(key):
    """Takes an attempt to its end. Every step can be repeated: after an error, after a crash, by two processes at once."""
    attempt, pause = find(key), 0.1
    while attempt["state"] in OPEN:
        wait, before = STEPS[attempt["state"]](attempt), attempt["state"]
        attempt = find(key)
        if attempt["state"] != before:
            pause = 0.1
            continue
        # Retry-After is a lower bound. The random factor keeps a crowd from returning in the same instant.
        time.sleep(max(wait, pause) * random.uniform(1, 1.5))
        pause = min(pause * 2, 5)


def main(product, buyers):
    sql("""CREATE TABLE IF NOT EXISTS attempts (key TEXT PRIMARY KEY, product TEXT, user TEXT, order_id TEXT,
        state TEXT DEFAULT 'new', reason TEXT, UNIQUE (product, user))""")
    known = {row["user"] for row in sql("SELECT user FROM attempts WHERE product = ?", product)}
    for number in range(int(buyers)):
        if f"buyer-{number}" not in known:
            begin(product, f"buyer-{number}")
    # Those that wait for units come last, so that they keep no thread from a payment.
    keys = [row["key"] for row in sql("SELECT key FROM attempts WHERE product = ? ORDER BY state = 'new'", product)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(finish, keys))
    for row in sql("SELECT state, reason, count(*) AS n FROM attempts WHERE product = ? GROUP BY 1, 2 ORDER BY 1", product):
        print(f"{row['n']:5}  {row['state']:10}  {row['reason'] or ''}")


if __name__ == "__main__":
    main(*sys.argv[1:])
