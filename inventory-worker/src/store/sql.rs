//! Every statement of the worker.

/// What one transaction sends without waiting in between.
pub const SENT_TOGETHER: [&str; 5] = [
    LOCK_POSITIONS,
    ADVANCE_POSITIONS,
    OPEN_SALES,
    CONFIRM_ORDERS,
    INSERT_DEAD_LETTERS,
];

/// Names what the latest migration has brought, and reads nothing: while one of the tables is empty, looking for
/// a first row would go through all combinations of the others.
pub const PROBE: &str = "SELECT fenced_epoch, closed_at
    FROM positions, stock_ledger, orders, dead_letters, sale_changes LIMIT 0";

pub const INSERT_POSITION: &str = "
    INSERT INTO positions (topic, partition, next_offset) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";

pub const SELECT_POSITION: &str = "
    SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2";

pub const SELECT_POSITIONS: &str = "SELECT partition, next_offset FROM positions WHERE topic = $1";

/// Locks in partition order, whoever asks: two workers can wait for each other, but not in a circle.
pub const LOCK_POSITIONS: &str = "
    SELECT partition, next_offset FROM positions
    WHERE topic = $1 AND partition = ANY($2) ORDER BY partition FOR UPDATE";

pub const ADVANCE_POSITIONS: &str = "
    UPDATE positions p SET next_offset = b.next_offset
    FROM unnest($2::int[], $3::bigint[]) AS b (partition, next_offset)
    WHERE p.topic = $1 AND p.partition = b.partition";

/// Returns the products that had no ledger row before.
pub const OPEN_SALES: &str = "
    INSERT INTO stock_ledger (product_id, total, opens_at, closes_at, per_user_limit, epoch, partition)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[],
                         $5::bigint[], $6::int[], $7::int[])
    ON CONFLICT (product_id) DO NOTHING
    RETURNING product_id";

/// Confirms every order that is new and counts it in the ledger, in one statement. Returns how many
/// were new, how many products they are of, and how many of those the ledger knows and takes their
/// epochs of; and when the new ones were placed, where not all were new.
pub const CONFIRM_ORDERS: &str = "
    WITH inserted AS (
        INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status)
        SELECT *, 'confirmed' FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[],
                                          $6::bigint[], $7::timestamptz[])
        ON CONFLICT (order_id) DO NOTHING
        RETURNING product_id, quantity, epoch, (epoch::bigint << 32) | sequence AS number, placed_at
    ), sums AS (
        SELECT product_id, sum(quantity) AS units, count(*) AS orders, max(number) AS highest,
               min(epoch) AS earliest
        FROM inserted GROUP BY product_id
    ), counted AS (
        UPDATE stock_ledger l SET
            sold = l.sold + s.units,
            written = l.written + s.orders,
            epoch = (greatest((l.epoch::bigint << 32) | l.last_sequence, s.highest) >> 32)::int,
            last_sequence = greatest((l.epoch::bigint << 32) | l.last_sequence, s.highest) & 4294967295
        FROM sums s WHERE l.product_id = s.product_id AND l.fenced_epoch <= s.earliest
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM sums), (SELECT count(*) FROM counted),
           CASE WHEN (SELECT count(*) FROM inserted) < cardinality($1::uuid[])
                THEN (SELECT array_agg(placed_at) FROM inserted) END";

pub const LOCK_LEDGER: &str = "
    SELECT product_id, total, sold, fenced_epoch FROM stock_ledger
    WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE";

pub const KNOWN_ORDERS: &str =
    "SELECT order_id, status, epoch FROM orders WHERE order_id = ANY($1)";

pub const KNOWN_CHANGES: &str =
    "SELECT product_id, change_id FROM sale_changes WHERE product_id = ANY($1)";

pub const CANCEL_ORDERS: &str = "
    UPDATE orders o SET status = 'cancelled', cancel_number = c.number
    FROM unnest($1::uuid[], $2::bigint[]) AS c (order_id, number)
    WHERE o.order_id = c.order_id";

pub const INSERT_CHANGES: &str = "
    INSERT INTO sale_changes (product_id, change_id, kind, units, epoch, sequence, changed_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::bigint[],
                         $7::timestamptz[])";

/// A row that is there already is one that was rejected in an earlier epoch: only such an order is
/// settled again.
pub const INSERT_SETTLED: &str = "
    INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status,
                        reason, cancel_number)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[],
                         $7::timestamptz[], $8::text[], $9::text[], $10::bigint[])
    ON CONFLICT (order_id) DO UPDATE SET
        epoch = excluded.epoch, sequence = excluded.sequence, placed_at = excluded.placed_at,
        status = excluded.status, reason = excluded.reason, cancel_number = excluded.cancel_number";

pub const COUNT_SETTLED: &str = "
    UPDATE stock_ledger l SET
        sold = l.sold + s.units,
        total = l.total + s.added,
        closed_at = least(l.closed_at, s.closed_at),
        fenced_epoch = greatest(l.fenced_epoch, s.fenced),
        written = l.written + s.orders,
        epoch = (greatest((l.epoch::bigint << 32) | l.last_sequence, s.highest) >> 32)::int,
        last_sequence = greatest((l.epoch::bigint << 32) | l.last_sequence, s.highest) & 4294967295
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                $7::int[])
        AS s (product_id, units, added, orders, highest, closed_at, fenced)
    WHERE l.product_id = s.product_id";

pub const INSERT_DEAD_LETTERS: &str = r#"
    INSERT INTO dead_letters (topic, partition, "offset", reason, key, value)
    SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[])
    ON CONFLICT DO NOTHING"#;

/// How many numbers below the highest that is written stand for nothing that is written, over all sales of
/// these partitions. Not of sales that were rebuilt: what they lost before is over, and `reconciler
/// audit` counts it. A dead letter of a sale is taken for one of its numbers.
pub const COUNT_GAPS: &str = "
    SELECT coalesce(sum(greatest(l.last_sequence - l.written - c.n - s.n - d.n, 0)), 0)::bigint
    FROM stock_ledger l
    CROSS JOIN LATERAL (SELECT count(o.cancel_number) + count(*) FILTER (WHERE o.reason = 'unknown_sale') AS n
        FROM orders o WHERE o.product_id = l.product_id
            AND (o.cancel_number IS NOT NULL OR o.reason = 'unknown_sale')) c
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM sale_changes s WHERE s.product_id = l.product_id) s
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM dead_letters d
        WHERE d.topic = $1 AND d.partition = l.partition AND d.key = convert_to(l.product_id, 'UTF8')) d
    WHERE l.partition = ANY($2) AND l.epoch = 1 AND l.fenced_epoch = 0";
