//! Every statement, in the order of its user: positions, batches, the API's reads, audits; in modules those
//! of the schema, of missing numbers, of the copies of dead letters, of the lock of a rebuild and of the settings of transactions.

pub mod dead_letters;
pub mod gaps;
pub mod rebuild_lock;
pub mod schema;
pub mod settings;

// Positions.

/// Gives a partition its first position.
pub const INSERT_POSITION: &str = "
    INSERT INTO positions (consumer, topic, partition, next_offset) VALUES ($1, $2, $3, 0)
    ON CONFLICT DO NOTHING";

/// The position of one partition. The mark of the last record is null if it was not written together with the position:
/// then a worker of version 0.2 has moved the position on, or somebody has moved it by hand.
pub const SELECT_POSITION: &str = "
    SELECT next_offset, log_number, CASE WHEN last_next_offset = next_offset THEN last_offset END,
           last_checksum, halted_because
    FROM positions WHERE consumer = $1 AND topic = $2 AND partition = $3";

/// The positions of all partitions, the same columns, and which partition each is of.
pub const SELECT_POSITIONS: &str = "
    SELECT next_offset, log_number, CASE WHEN last_next_offset = next_offset THEN last_offset END,
           last_checksum, halted_because, partition
    FROM positions WHERE consumer = $1 AND topic = $2";

/// Halts a partition, unless its log number has changed or, if one is given, its position.
pub const HALT_POSITION: &str = "
    UPDATE positions SET halted_at = now(), halted_because = $6, halted_offset = next_offset,
                         next_offset = -1
    WHERE consumer = $1 AND topic = $2 AND partition = $3 AND log_number = $4
        AND ($5::bigint IS NULL OR next_offset = $5) AND halted_at IS NULL";

/// The halted partitions.
pub const SELECT_HALTED: &str = "
    SELECT partition, halted_at, halted_because, halted_offset, log_number FROM positions
    WHERE consumer = $1 AND topic = $2 AND halted_at IS NOT NULL ORDER BY partition";

/// Ends a halt: the log gets the next number and is read from an offset on. Unless the log number has changed.
pub const ACCEPT_LOG: &str = "
    UPDATE positions SET next_offset = $4, log_number = log_number + 1,
        last_offset = NULL, last_checksum = NULL, last_next_offset = NULL,
        halted_at = NULL, halted_because = NULL, halted_offset = NULL
    WHERE consumer = $1 AND topic = $2 AND partition = $3 AND log_number = $5
        AND halted_at IS NOT NULL";

// Batches.

/// Locks the positions of a batch. Every transaction locks them in partition order, so two of them cannot deadlock.
pub const LOCK_POSITIONS: &str = "
    SELECT partition, next_offset, log_number FROM positions
    WHERE consumer = $1 AND topic = $2 AND partition = ANY($3) ORDER BY partition FOR UPDATE";

/// Moves the positions past a batch, and keeps the marks of its last records. A slice without records leaves a mark
/// that is valid; one without a mark makes it invalid, because `last_next_offset` stays behind.
pub const ADVANCE_POSITIONS: &str = "
    UPDATE positions p SET
        next_offset = b.next_offset,
        last_offset = coalesce(b.last_offset, p.last_offset),
        last_checksum = coalesce(b.last_checksum, p.last_checksum),
        last_next_offset = CASE
            WHEN b.last_offset IS NOT NULL OR (b.is_empty AND p.last_next_offset = p.next_offset)
            THEN b.next_offset ELSE p.last_next_offset END
    FROM unnest($3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[])
        AS b (partition, next_offset, last_offset, last_checksum, is_empty)
    WHERE p.consumer = $1 AND p.topic = $2 AND p.partition = b.partition";

/// Gives each sale its ledger row and its number series. Returns the products that had no ledger row.
pub const OPEN_SALES: &str = "
    WITH opened AS (
        INSERT INTO stock_ledger (product_id, total, opens_at, closes_at, per_user_limit, partition, terms,
                                  id_time)
        SELECT o.product_id, o.total, o.opens_at, o.closes_at, o.per_user_limit, o.partition, o.terms::jsonb,
               o.id_time
        FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[],
                    $5::bigint[], $6::int[], $9::text[], $10::timestamptz[])
            AS o (product_id, total, opens_at, closes_at, per_user_limit, partition, terms, id_time)
        ON CONFLICT (product_id) DO NOTHING
        RETURNING product_id
    ), numbered AS (
        INSERT INTO number_series (series_id, product_id, epoch)
        SELECT s.* FROM unnest($7::text[], $1::text[], $8::int[]) AS s (series_id, product_id, epoch)
        JOIN opened USING (product_id)
        ON CONFLICT (series_id) DO NOTHING
    )
    SELECT product_id FROM opened";

/// Writes dead letters, which are to be copied at once. A log that is read twice has them once.
pub const INSERT_DEAD_LETTERS: &str = r#"
    INSERT INTO dead_letters (topic, partition, log_number, "offset", reason, key, value, copy_due_at)
    SELECT $1, *, now() FROM unnest($2::int[], $3::int[], $4::bigint[], $5::text[], $6::bytea[], $7::bytea[])
    ON CONFLICT DO NOTHING"#;

/// Locks and reads the ledger rows of a batch. Every transaction locks them in product order.
pub const LOCK_LEDGER: &str = "
    SELECT product_id, total, sold, fenced_epoch, partition FROM stock_ledger
    WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE";

/// The orders of a batch that have a row. The lowest and the highest id let PostgreSQL leave out table partitions.
pub const EXISTING_ORDERS: &str = "
    SELECT order_id, epoch, reason, completion_number, completion_refused, expiry_number, cancel_number,
           cancel_cause
    FROM orders WHERE order_id = ANY($1) AND order_id BETWEEN $2 AND $3";

/// Completes orders, unless something else than that they are confirmed is known about them.
pub const COMPLETE_CONFIRMED: &str = "
    UPDATE orders o SET status = 'completed', completion_number = c.number
    FROM unnest($1::uuid[], $2::bigint[]) AS c (order_id, number)
    WHERE o.order_id = c.order_id AND o.status = 'confirmed'";

/// The changes of these products.
pub const EXISTING_CHANGES: &str =
    "SELECT product_id, change_id FROM sale_changes WHERE product_id = ANY($1)";

/// Writes new orders on the fast path, if nothing but the decision is known about any of them.
pub const COPY_ORDERS: &str = "
    COPY orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status, reason)
    FROM STDIN BINARY";

/// Writes new orders on the fast path, with all that is known about them.
pub const COPY_ORDERS_WITH_FACTS: &str = "
    COPY orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status, reason,
                 completion_number, completion_refused, expiry_number, cancel_number, cancel_cause)
    FROM STDIN BINARY";

/// Writes orders on the slow path. An existing row is overwritten: `apply` only writes an order again that was rejected
/// in an earlier epoch.
pub const INSERT_ORDERS: &str = "
    INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status,
                        reason, completion_number, completion_refused, expiry_number, cancel_number,
                        cancel_cause)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[],
                         $7::timestamptz[], $8::text[], $9::text[], $10::bigint[], $11::boolean[],
                         $12::bigint[], $13::bigint[], $14::text[])
    ON CONFLICT (order_id) DO UPDATE SET
        epoch = excluded.epoch, sequence = excluded.sequence, placed_at = excluded.placed_at,
        status = excluded.status, reason = excluded.reason,
        completion_number = excluded.completion_number,
        completion_refused = excluded.completion_refused, expiry_number = excluded.expiry_number,
        cancel_number = excluded.cancel_number, cancel_cause = excluded.cancel_cause";

/// Changes what is known about orders that have a row.
pub const CHANGE_ORDERS: &str = "
    UPDATE orders o SET
        status = c.status, completion_number = c.completion_number,
        completion_refused = c.completion_refused, expiry_number = c.expiry_number,
        cancel_number = c.cancel_number, cancel_cause = c.cancel_cause
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::boolean[], $5::bigint[], $6::bigint[],
                $7::text[])
        AS c (order_id, status, completion_number, completion_refused, expiry_number, cancel_number,
              cancel_cause)
    WHERE o.order_id = c.order_id";

/// Writes changes of sales.
pub const INSERT_CHANGES: &str = "
    INSERT INTO sale_changes (product_id, change_id, kind, units, epoch, sequence, changed_at, queue_settings)
    SELECT c.product_id, c.change_id, c.kind, c.units, c.epoch, c.sequence, c.changed_at, c.queue_settings::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::bigint[],
                $7::timestamptz[], $8::text[])
        AS c (product_id, change_id, kind, units, epoch, sequence, changed_at, queue_settings)";

/// Gives sales other terms, unless those that they have are of a later amendment.
pub const AMEND_SALES: &str = "
    UPDATE stock_ledger l SET
        id_time = coalesce(l.id_time, l.opens_at),
        opens_at = a.opens_at,
        closes_at = a.closes_at,
        per_user_limit = a.per_user_limit,
        terms = a.terms::jsonb,
        terms_number = a.number
    FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[], $6::bigint[])
        AS a (product_id, opens_at, closes_at, per_user_limit, terms, number)
    WHERE l.product_id = a.product_id AND l.terms_number < a.number";

/// Adds the ledger deltas of `apply`.
pub const ADD_TO_LEDGER: &str = "
    UPDATE stock_ledger l SET
        sold = l.sold + d.sold,
        completed = l.completed + d.completed,
        total = l.total + d.total,
        closed_at = least(l.closed_at, d.closed_at),
        fenced_epoch = greatest(l.fenced_epoch, d.fenced_epoch),
        queue_joined = greatest(l.queue_joined, d.queue_joined)
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::int[],
                $7::bigint[])
        AS d (product_id, sold, completed, total, closed_at, fenced_epoch, queue_joined)
    WHERE l.product_id = d.product_id";

/// Adds the series deltas of `apply`.
pub const ADD_TO_SERIES: &str = "
    UPDATE number_series n SET
        written = n.written + d.written,
        holds_ended = n.holds_ended + d.holds_ended,
        epoch = (greatest((n.epoch::bigint << 32) | n.last_sequence, d.highest) >> 32)::int,
        last_sequence = greatest((n.epoch::bigint << 32) | n.last_sequence, d.highest) & 4294967295
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
        AS d (series_id, written, holds_ended, highest)
    WHERE n.series_id = d.series_id";

// Reads of the API.

/// Orders.
pub const SELECT_WRITTEN_ORDERS: &str = "
    SELECT order_id, product_id, user_id, quantity, status, placed_at, epoch, sequence, completion_refused
    FROM orders WHERE order_id = ANY($1) AND order_id BETWEEN $2 AND $3";

/// Sales, the units of their restocks, and the highest number of one series of each.
pub const SELECT_LEDGER_ENTRIES: &str = "
    SELECT l.product_id, least(l.closes_at, l.closed_at), n.epoch, n.last_sequence,
           l.opens_at, l.closes_at, l.total, l.sold, l.per_user_limit, l.partition,
           (SELECT coalesce(sum(s.units), 0)::bigint FROM sale_changes s WHERE s.product_id = l.product_id),
           l.terms::text, coalesce(l.id_time, l.opens_at), l.completed
    FROM unnest($1::text[], $2::text[]) AS k (product_id, series_id)
    JOIN stock_ledger l ON l.product_id = k.product_id
    JOIN number_series n ON n.series_id = k.series_id";

/// The units of a restock.
pub const SELECT_RESTOCK: &str = "
    SELECT units FROM sale_changes WHERE product_id = $1 AND change_id = $2";

/// The highest number of each of these series.
pub const SELECT_HIGHEST: &str = "
    SELECT series_id, epoch, last_sequence FROM number_series WHERE series_id = ANY($1)";

// Audits and rebuilds.

/// All sales, with the numbers of the series that has the name of the product.
pub const SELECT_SALES: &str = "
    SELECT l.product_id, l.total, l.sold, l.completed, l.opens_at, l.closes_at,
           least(l.closes_at, l.closed_at) AS ends_at, l.per_user_limit, n.epoch, n.last_sequence,
           l.fenced_epoch, n.written, l.partition, l.terms::text AS terms,
           coalesce(l.id_time, l.opens_at) AS id_time, l.queue_joined
    FROM stock_ledger l JOIN number_series n ON n.series_id = l.product_id";

/// One sale, the same columns.
pub const SELECT_SALE: &str = "
    SELECT l.product_id, l.total, l.sold, l.completed, l.opens_at, l.closes_at,
           least(l.closes_at, l.closed_at) AS ends_at, l.per_user_limit, n.epoch, n.last_sequence,
           l.fenced_epoch, n.written, l.partition, l.terms::text AS terms,
           coalesce(l.id_time, l.opens_at) AS id_time, l.queue_joined
    FROM stock_ledger l JOIN number_series n ON n.series_id = l.product_id
    WHERE l.product_id = $1";

/// How many orders a product has within these bounds of ids, the units of those that hold some, and of the completed ones.
pub const COUNT_ORDERS_BETWEEN: &str = "
    SELECT count(*),
           coalesce(sum(quantity) FILTER (WHERE status IN ('confirmed', 'completed')), 0)::bigint,
           coalesce(sum(quantity) FILTER (WHERE status = 'completed'), 0)::bigint
    FROM orders WHERE product_id = $1 AND order_id BETWEEN $2 AND $3";

/// The units that each user holds and the orders that the user has left unpaid, within these bounds. Unpaid orders are those that
/// have expired and were not completed, and those that the buyer has cancelled.
pub const SELECT_USERS_BETWEEN: &str = "
    SELECT user_id,
           coalesce(sum(quantity) FILTER (WHERE is_sold), 0)::bigint,
           count(*) FILTER (WHERE is_unpaid)
    FROM (
        SELECT user_id, quantity, status IN ('confirmed', 'completed') AS is_sold,
               (expiry_number IS NOT NULL AND (completion_number IS NULL OR completion_refused))
                   OR coalesce(cancel_cause = 'buyer', false) AS is_unpaid
        FROM orders WHERE product_id = $1 AND order_id BETWEEN $2 AND $3
    ) o
    WHERE is_sold OR is_unpaid
    GROUP BY user_id";

/// The orders of a product within these bounds. The primary key has the orders of a sale side by side; other bounds read
/// the whole table: an index by product would cost every order that is written.
pub const SELECT_ORDERS_BETWEEN: &str = "
    SELECT order_id, user_id, quantity, epoch, sequence, placed_at, reason, completion_number,
           completion_refused, expiry_number, cancel_number, cancel_cause
    FROM orders WHERE product_id = $1 AND order_id BETWEEN $2 AND $3";

/// How many orders of a product were read before its sale; no series counts them. An index has them (V4).
pub const COUNT_UNCOUNTED_ORDERS: &str =
    "SELECT count(*) FROM orders WHERE product_id = $1 AND reason = 'unknown_sale'";

/// All changes of a sale.
pub const SELECT_CHANGES: &str = "
    SELECT change_id, kind, units, epoch, sequence, changed_at, queue_settings::text FROM sale_changes
    WHERE product_id = $1";

/// The dead letters with this key, on the partition of the sale if that is known: one on another partition is no end of
/// an order. Equal ones are the same record, sent twice or read from two logs.
pub const SELECT_DEAD_LETTERS: &str = "
    SELECT DISTINCT value FROM dead_letters
    WHERE topic = $1 AND key = $2 AND partition = coalesce($3, partition)";
