//! The fast path, which copies orders as new rows, and the slow path, which looks for existing ones.

use fluxgate_domain::batch::{Content, Record};
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::UserId;
use fluxgate_ledger::LedgerError;
use jiff::Timestamp;

use crate::fixture::{
    Schema, TOPIC, again, batch, cancel, close, completion, expiry, fence, opening, order, restock,
};

/// On a table with such a rule, PostgreSQL refuses INSERT with ON CONFLICT, and COPY ignores the rule.
const ONLY_COPY: &str = "CREATE RULE only_copy AS ON INSERT TO orders DO ALSO SELECT 1";

/// Records of all kinds, with orders of every outcome before and behind them.
fn log() -> Vec<Record> {
    let mut named = order(2, "a", "u2", 2, 2);
    if let Content::Event(Event::OrderReserved(order)) = &mut named.content {
        order.user_id = UserId::parse("Jörg Müller").unwrap();
        order.placed_at = "2026-11-27T15:30:00.123Z".parse::<Timestamp>().unwrap();
    }
    let cancelled = order(3, "a", "u3", 1, 3);
    let completed = order(1, "a", "u1", 1, 1);
    vec![
        opening(0, "a", 4),
        completed.clone(),
        named.clone(),
        cancelled.clone(),
        cancel(4, &cancelled, 4),
        completion(5, &completed, 10),
        expiry(6, &named, 11),
        order(7, "a", "u5", 4, 5),
        restock(8, "a", 5, 6),
        order(9, "a", "u7", 1, 7),
        order(10, "nowhere", "u8", 1, 1),
        fence(11, "a", 2),
        order(12, "a", "u10", 1, 8),
        again(order(13, "a", "u11", 1, 0), 2, 1),
        close(14, "a", 9),
    ]
}

#[tokio::test]
async fn new_orders_are_copied_whatever_else_their_batch_brings() {
    let schema = Schema::new().await;
    // Prepares the statements.
    schema.write_all(&[opening(0, "b", 1)], 1).await;
    let prepare = format!("{ONLY_COPY}; UPDATE positions SET next_offset = 0");
    schema.sql.batch_execute(&prepare).await.unwrap();
    let log = log();
    let written = schema.write(&batch(&log)).await;
    assert_eq!(written.confirmed, 5);
    assert_eq!(
        (written.cancelled, written.completed, written.expired),
        (1, 1, 1)
    );
    assert_eq!(
        (written.oversold, written.unknown_sale, written.fenced),
        (1, 1, 1)
    );
    // Of an order that an earlier batch has written.
    let later = [
        cancel(15, &log[1], 10),
        again(order(16, "a", "u14", 1, 0), 2, 2),
    ];
    let later = later.map(in_epoch_2);
    let written = schema.write(&batch(&later)).await;
    assert_eq!((written.confirmed, written.cancelled), (1, 1));
}

/// A cancel with a number of the second epoch.
fn in_epoch_2(mut record: Record) -> Record {
    if let Content::Event(Event::OrderCancelled(cancel)) = &mut record.content {
        cancel.cancel_epoch = 2;
    }
    record
}

#[tokio::test]
async fn both_paths_write_the_same_rows() {
    let mut all = Vec::new();
    for path in ["fast", "slow"] {
        let schema = Schema::new().await;
        let log = log();
        if path == "slow" {
            // Orders that have their rows already: one that is confirmed, one that may be taken again in a later epoch.
            schema.write_all(&log[..2], 2).await;
            let reset = "UPDATE positions SET next_offset = 0";
            schema.sql.batch_execute(reset).await.unwrap();
            schema.sql.batch_execute(ONLY_COPY).await.unwrap();
            let refused = schema.ledger.write(TOPIC, &batch(&log[..3])).await;
            assert!(refused.is_err(), "the slow path is taken");
            let end = "DROP RULE only_copy ON orders";
            schema.sql.batch_execute(end).await.unwrap();
        }
        let written = schema.write(&batch(&log)).await;
        assert_eq!(written.duplicates, u64::from(path == "slow"));
        let rows = "SELECT orders::text FROM orders ORDER BY order_id";
        let mut rows = schema.rows(rows).await;
        rows.extend(schema.rows("SELECT (l.product_id, total, sold, completed, fenced_epoch, epoch, last_sequence, written,
             holds_ended)::text FROM stock_ledger l JOIN number_series USING (product_id)").await);
        all.push(rows);
    }
    assert_eq!(all[0].len(), 9);
    assert_eq!(all[0], all[1]);
    assert!(
        all[0]
            .iter()
            .any(|row| row.contains("Jörg Müller") && row.contains("2026-11-27 15:30:00.123"))
    );
}

/// COPY BINARY calls that malformed data, as if the order were at fault.
#[tokio::test]
async fn an_order_is_written_although_a_column_has_another_type() {
    let schema = Schema::new().await;
    schema.write_all(&[opening(0, "a", 3)], 1).await;
    let alter = "ALTER TABLE orders ALTER sequence TYPE integer";
    schema.sql.batch_execute(alter).await.unwrap();
    let order = batch(&[order(1, "a", "u1", 1, 1)]);
    let written = schema.ledger.write(TOPIC, &order).await.unwrap();
    assert_eq!(written.confirmed, 1);
}

/// The driver reads one answer too many after a COPY that never began.
#[tokio::test]
async fn a_connection_whose_copy_was_refused_is_not_used_again() {
    let schema = Schema::new().await;
    let sql = |statement: &'static str| schema.sql.batch_execute(statement);
    let log = [
        opening(0, "a", 3),
        order(1, "a", "u1", 1, 1),
        order(2, "a", "u2", 1, 2),
    ];
    schema.write_all(&log[..2], 2).await;
    sql("ALTER TABLE orders RENAME TO hidden").await.unwrap();
    let last = batch(&log[2..]);
    let refused = schema.ledger.write(TOPIC, &last).await;
    assert!(matches!(refused, Err(LedgerError::CopyNotStarted(_))));
    sql("ALTER TABLE hidden RENAME TO orders").await.unwrap();
    let written = schema.ledger.write(TOPIC, &last).await.unwrap();
    assert_eq!(written.confirmed, 1);
}

#[tokio::test]
async fn confirmed_orders_are_completed_on_the_fast_path() {
    let schema = Schema::new().await;
    let placed = [1, 2, 3].map(|n| order(n, "a", &format!("u{n}"), 1, n as u32));
    let [plain, cancelled, expired] = &placed;
    schema.write_all(&[opening(0, "a", 9)], 1).await;
    schema.write(&batch(&placed)).await;
    schema.sql.batch_execute(ONLY_COPY).await.unwrap();
    // Two facts about an order, in either order, and an order that is new and completed.
    let new = order(4, "a", "u4", 1, 4);
    let log = [
        new.clone(),
        completion(5, plain, 5),
        completion(6, cancelled, 6),
        cancel(7, cancelled, 7),
        expiry(8, expired, 8),
        completion(9, expired, 9),
        completion(10, &new, 10),
    ];
    let written = schema.write(&batch(&log)).await;
    let counted = (written.completed, written.cancelled, written.expired);
    assert_eq!((counted, written.duplicates), ((4, 1, 1), 0));
    let statuses = "SELECT concat_ws(' ', user_id, status, completion_number & 255) FROM orders ORDER BY user_id";
    let expected = [
        "u1 completed 5",
        "u2 cancelled 6",
        "u3 completed 9",
        "u4 completed 10",
    ];
    assert_eq!(schema.rows(statuses).await, expected);
    let ledger = "SELECT concat_ws(' ', sold, completed) FROM stock_ledger";
    assert_eq!(schema.rows(ledger).await, ["3 3"]);
}

/// Whatever is known about an order whose completion comes alone, it is counted once.
#[tokio::test]
async fn orders_that_are_not_confirmed_are_completed_on_the_slow_path() {
    let placed = order(1, "a", "u1", 1, 1);
    for (before, expected) in [
        (vec![], "completed 1 0 0"),
        (vec![completion(1, &placed, 2)], "completed 0 1 0"),
        (vec![expiry(1, &placed, 2)], "completed 1 0 0"),
        (vec![cancel(1, &placed, 2)], "cancelled 1 0 0"),
    ] {
        let schema = Schema::new().await;
        let known = [vec![opening(0, "a", 3)], before].concat();
        let next = known.len() as i64;
        schema.write_all(&known, 1).await;
        schema.sql.batch_execute(ONLY_COPY).await.unwrap();
        let log = [
            completion(next, &placed, 9),
            order(next + 1, "a", "u2", 1, 4),
        ];
        let refused = schema.ledger.write(TOPIC, &batch(&log)).await;
        assert!(refused.is_err(), "the slow path is taken");
        let end = "DROP RULE only_copy ON orders";
        schema.sql.batch_execute(end).await.unwrap();
        let written = schema.write(&batch(&log)).await;
        let status = "SELECT status FROM orders WHERE user_id = 'u1'";
        let status = schema.rows(status).await.concat();
        let (completed, again) = (written.completed, written.duplicates);
        let found = format!("{status} {completed} {again} {}", written.paid_without_unit);
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_completion_that_is_refused_changes_nothing() {
    let schema = Schema::new().await;
    let placed = order(1, "a", "u1", 1, 1);
    schema
        .write_all(&[opening(0, "a", 3), placed.clone(), fence(2, "a", 2)], 3)
        .await;
    let late = batch(&[completion(3, &placed, 2)]);
    let refused = schema.ledger.write(TOPIC, &late).await;
    assert!(matches!(refused, Err(LedgerError::Refused(_))));
    assert_eq!(
        schema.rows("SELECT status FROM orders").await,
        ["confirmed"]
    );
}
