"""A payment provider to try the shop with: a payment takes 1 to 3 s, and one in five is declined.

Replace each function by a call of your provider, with the order id as its idempotency key: asked again, it answers the same."""
import contextlib, random, sqlite3, time


def sql(statement, *values):
    with contextlib.closing(sqlite3.connect("payments.db", timeout=30)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS payments (order_id TEXT PRIMARY KEY, state TEXT)")
        return db.execute(statement, values).fetchall()


def authorise(order_id):
    """Whether the buyer's bank reserves the money. Nothing is charged yet."""
    time.sleep(random.uniform(1, 3))
    state = "declined" if random.random() < 0.2 else "authorised"
    sql("INSERT OR IGNORE INTO payments VALUES (?, ?)", order_id, state)
    return sql("SELECT state FROM payments WHERE order_id = ?", order_id)[0][0] != "declined"


def capture(order_id):
    """Charges what was authorised."""
    sql("UPDATE payments SET state = 'captured' WHERE order_id = ? AND state = 'authorised'", order_id)


def give_back(order_id):
    """Releases what was authorised, and pays back what was captured."""
    sql("UPDATE payments SET state = 'given_back' WHERE order_id = ? AND state <> 'declined'", order_id)
