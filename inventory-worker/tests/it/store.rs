use fluxgate_domain::events::{Event, Undecodable};
use fluxgate_domain::ids::OrderId;
use inventory_worker::batch::{Content, Record};
use inventory_worker::store::{PROBE, REJECTED_NAMED_MAX, WriteError};
use jiff::Timestamp;
use tokio_postgres::SimpleQueryMessage;

use crate::fixture::{Schema, TOPIC, again, batch, cancel, close, fence, opening, order, restock};

const ORDERS: &str = "SELECT concat_ws(' ', product_id, user_id, sequence, status, reason)
                      FROM orders ORDER BY product_id, epoch, sequence, user_id";
const LEDGER: &str = "SELECT concat_ws(' ', product_id, total, sold, written, last_sequence)
                      FROM stock_ledger ORDER BY product_id";

/// Two sales, one oversold, one order twice, one order of a sale that opens too late.
fn log() -> Vec<Record> {
    vec![
        opening(0, "a", 3),
        order(1, "a", "u1", 2, 1),
        order(2, "late", "u1", 1, 1),
        opening(3, "b", 10),
        order(4, "b", "u1", 1, 1),
        order(5, "a", "u2", 2, 2),
        order(6, "a", "u1", 2, 1),
        opening(7, "late", 5),
        order(8, "a", "u3", 1, 3),
        order(9, "late", "u2", 1, 2),
        order(10, "nowhere", "u1", 1, 1),
        opening(11, "a", 3),
    ]
}

#[tokio::test]
async fn the_outcome_does_not_depend_on_how_the_log_was_batched() {
    for size in [1, 2, 5, 100] {
        let schema = Schema::new().await;
        schema.write_all(&log(), size).await;
        assert_eq!(
            schema.rows(ORDERS).await,
            [
                "a u1 1 confirmed",
                "a u2 2 rejected oversold",
                "a u3 3 confirmed",
                "b u1 1 confirmed",
                "late u1 1 rejected unknown_sale",
                "late u2 2 confirmed",
                "nowhere u1 1 rejected unknown_sale",
            ],
            "batches of {size}"
        );
        assert_eq!(
            schema.rows(LEDGER).await,
            ["a 3 3 3 3", "b 10 1 1 1", "late 5 1 1 2"]
        );
    }
}

/// Every kind of change, some twice, one cancel before its order, one restock of nothing.
fn changes() -> Vec<Record> {
    let (first, late) = (order(1, "a", "u1", 2, 1), order(6, "a", "u3", 1, 4));
    vec![
        opening(0, "a", 3),
        first.clone(),
        order(2, "a", "u2", 2, 2),
        cancel(3, &first, 3),
        cancel(4, &first, 3),
        cancel(5, &late, 5),
        late,
        order(7, "a", "u4", 3, 6),
        restock(8, "a", 4, 7),
        restock(9, "a", 4, 7),
        order(10, "a", "u5", 3, 8),
        close(11, "a", 9),
        restock(12, "nowhere", 1, 1),
    ]
}

#[tokio::test]
async fn units_come_back_and_are_added_once_however_the_log_was_batched() {
    for size in [1, 2, 4, 100] {
        let schema = Schema::new().await;
        schema.write_all(&changes(), size).await;
        for from_the_beginning in [false, true] {
            if from_the_beginning {
                let reset = "UPDATE positions SET next_offset = 0; DELETE FROM dead_letters";
                schema.sql.batch_execute(reset).await.unwrap();
                schema.write_all(&changes(), size + 1).await;
            }
            assert_eq!(
                schema.rows(ORDERS).await,
                [
                    "a u1 1 cancelled",
                    "a u2 2 rejected oversold",
                    "a u3 4 cancelled",
                    "a u4 6 confirmed",
                    "a u5 8 confirmed",
                ],
                "batches of {size}"
            );
            assert_eq!(schema.rows(LEDGER).await, ["a 7 6 5 9"]);
            let changes =
                "SELECT concat_ws(' ', kind, units, sequence) FROM sale_changes ORDER BY 1";
            assert_eq!(schema.rows(changes).await, ["close 0 9", "restock 4 7"]);
            let cancels = "SELECT cancel_number::text FROM orders WHERE cancel_number IS NOT NULL
                           ORDER BY sequence";
            assert_eq!(schema.rows(cancels).await, ["4294967299", "4294967301"]);
            let closed = "SELECT closed_at::text FROM stock_ledger";
            assert!(schema.rows(closed).await[0].starts_with("1970-01-01 00:00:01"));
            let dead = "SELECT reason FROM dead_letters";
            assert_eq!(
                schema.rows(dead).await,
                ["unknown_sale: the ledger has no such sale"]
            );
        }
    }
}

/// A sale that is rebuilt after its first order: what its first life still sends comes too late.
fn rebuilt() -> Vec<Record> {
    let (first, late) = (order(1, "a", "u1", 1, 1), order(3, "a", "u2", 1, 2));
    vec![
        opening(0, "a", 3),
        first.clone(),
        fence(2, "a", 2),
        late,
        cancel(4, &first, 3),
        again(order(5, "a", "u3", 1, 1), 2, 1),
        // The buyer of the late one tries again, with the same key.
        again(order(6, "a", "u2", 1, 2), 2, 2),
        order(7, "a", "u2", 1, 2),
        fence(8, "a", 2),
    ]
}

#[tokio::test]
async fn behind_a_fence_only_the_rebuilt_sale_sells_however_the_log_was_batched() {
    for size in [1, 2, 3, 100] {
        let schema = Schema::new().await;
        schema.write_all(&rebuilt()[..4], size).await;
        assert_eq!(
            schema.rows(ORDERS).await,
            ["a u1 1 confirmed", "a u2 2 rejected fenced"],
            "batches of {size}"
        );
        schema.write_all(&rebuilt()[4..], size).await;
        for from_the_beginning in [false, true] {
            if from_the_beginning {
                let reset = "UPDATE positions SET next_offset = 0; DELETE FROM dead_letters";
                schema.sql.batch_execute(reset).await.unwrap();
                schema.write_all(&rebuilt(), size + 1).await;
            }
            assert_eq!(
                schema.rows(ORDERS).await,
                ["a u1 1 confirmed", "a u3 1 confirmed", "a u2 2 confirmed"],
                "batches of {size}"
            );
            assert_eq!(schema.rows(LEDGER).await, ["a 3 3 3 2"]);
            let dead = "SELECT concat_ws(' ', \"offset\", reason) FROM dead_letters";
            assert_eq!(
                schema.rows(dead).await,
                ["4 fenced: it is of an epoch before the sale was rebuilt"]
            );
        }
    }
}

#[tokio::test]
async fn reading_the_log_again_from_the_beginning_changes_nothing() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 100).await;
    let before = (schema.rows(ORDERS).await, schema.rows(LEDGER).await);
    for size in [1, 3, 100] {
        schema
            .sql
            .batch_execute("UPDATE positions SET next_offset = 0")
            .await
            .unwrap();
        schema.write_all(&log(), size).await;
        assert_eq!(
            (schema.rows(ORDERS).await, schema.rows(LEDGER).await),
            before
        );
    }
}

#[tokio::test]
async fn a_batch_that_was_read_from_another_position_writes_nothing() {
    let schema = Schema::new().await;
    schema.write_all(&log()[..2], 2).await;
    for zombie in [&log()[..2], &log()[4..5]] {
        let missed = schema.store.write(TOPIC, &batch(zombie)).await;
        assert!(matches!(missed, Err(WriteError::Missed(partitions)) if partitions == [0]));
    }
    assert_eq!(schema.store.position(TOPIC, 0).await.unwrap(), 2);
    assert_eq!(schema.rows(ORDERS).await, ["a u1 1 confirmed"]);
}

#[tokio::test]
async fn a_record_that_postgresql_refuses_is_an_error_of_data_and_nothing_is_written() {
    let schema = Schema::new().await;
    let forbid = "ALTER TABLE orders ADD CONSTRAINT no_poison CHECK (user_id <> 'poison')";
    schema.sql.batch_execute(forbid).await.unwrap();
    let log = [
        opening(0, "a", 3),
        order(1, "a", "u1", 1, 1),
        order(2, "a", "poison", 1, 2),
    ];
    let refused = schema.store.write(TOPIC, &batch(&log)).await;
    assert!(matches!(refused, Err(WriteError::Data(reason)) if reason.contains("no_poison")));
    assert_eq!(schema.store.position(TOPIC, 0).await.unwrap(), 0);

    // Halving, as the writer does it, leaves the neighbours unharmed.
    schema.write_all(&log[..2], 1).await;
    let mut poison = log[2].clone();
    poison.bury("refused: constraint no_poison");
    schema.store.write(TOPIC, &batch(&[poison])).await.unwrap();
    assert_eq!(schema.rows(ORDERS).await, ["a u1 1 confirmed"]);
    let reasons = schema
        .rows("SELECT concat_ws(' ', \"offset\", reason) FROM dead_letters")
        .await;
    assert_eq!(reasons, ["2 refused: constraint no_poison"]);
}

#[tokio::test]
async fn dead_letters_keep_their_bytes_beside_the_orders() {
    let schema = Schema::new().await;
    let garbage = Record::new(1, 0, None, Some(b"\xff\0"), Err(Undecodable::MissingType));
    let unknown = Undecodable::UnknownType("a\0b".into());
    let tombstone = Record::new(2, 0, Some(b"a"), None, Err(unknown));
    let log = [
        opening(0, "a", 3),
        garbage,
        tombstone,
        order(3, "a", "u1", 1, 1),
    ];
    let written = schema.store.write(TOPIC, &batch(&log)).await.unwrap();
    assert_eq!((written.confirmed, written.dead_letters), (1, 2));
    let kept = "SELECT concat_ws(' ', \"offset\", reason, encode(value, 'hex')) FROM dead_letters ORDER BY 1";
    assert_eq!(
        schema.rows(kept).await,
        [
            "1 missing_type: no readable ce_type header ff00",
            "2 unknown_type: a\u{fffd}b"
        ]
    );
}

/// The same order, placed so many seconds after 1970 began.
fn placed_at(second: i64, ordered: Record) -> Record {
    let Content::Event(Event::OrderReserved(mut order)) = ordered.content.clone() else {
        panic!("an order");
    };
    order.placed_at = Timestamp::from_second(second).unwrap();
    Record {
        content: Content::Event(Event::OrderReserved(order)),
        ..ordered
    }
}

#[tokio::test]
async fn only_orders_that_are_new_are_told_as_confirmed() {
    let schema = Schema::new().await;
    let write = async |log: &[Record]| {
        let written = schema.store.write(TOPIC, &batch(log)).await.unwrap();
        let times = written.placed_at.iter().map(|at| at.as_second());
        (times.collect::<Vec<_>>(), written.duplicates)
    };
    let of = |offset, n: u32| placed_at(n.into(), order(offset, "a", &format!("u{n}"), 1, n));
    let all_new = [opening(0, "a", 10), of(1, 1), of(2, 2)];
    assert_eq!(write(&all_new).await, (vec![1, 2], 0));
    assert_eq!(write(&[of(3, 2), of(4, 3), of(5, 3)]).await, (vec![3], 2));
    assert_eq!(write(&[of(6, 3)]).await, (vec![], 1));
    // Step by step, as a restock is among them.
    let mixed = [of(7, 1), restock(8, "a", 1, 5), of(9, 4)];
    assert_eq!(write(&mixed).await, (vec![4], 1));
}

#[tokio::test]
async fn the_first_rejected_orders_are_named() {
    let schema = Schema::new().await;
    let mut log = vec![opening(0, "a", 1)];
    for n in 1..=10u32 {
        log.push(order(n.into(), "a", &format!("u{n}"), 1, n));
    }
    let written = schema.store.write(TOPIC, &batch(&log)).await.unwrap();
    assert_eq!((written.confirmed, written.oversold), (1, 9));
    let first: Vec<_> = log[2..2 + REJECTED_NAMED_MAX].iter().map(id).collect();
    assert_eq!(written.rejected, first);
}

fn id(ordered: &Record) -> OrderId {
    let Content::Event(Event::OrderReserved(order)) = &ordered.content else {
        panic!("an order");
    };
    order.order_id
}

#[tokio::test]
async fn migrating_again_or_at_the_same_time_does_no_harm() {
    let schema = Schema::new().await;
    let (first, second) = tokio::join!(schema.store.migrate(), schema.store.migrate());
    first.unwrap();
    second.unwrap();
    schema.store.probe().await.unwrap();
}

#[tokio::test]
async fn a_migration_may_take_its_time_and_nothing_else_may() {
    let schema = Schema::new().await;
    // Both tables note what limits whoever writes to them; the last migration is to be done again.
    let note = "
        CREATE TABLE limits (writer text, statement text, lock text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO limits VALUES (tg_table_name, current_setting('statement_timeout'),
                                       current_setting('lock_timeout'));
            RETURN new;
        END $$;
        CREATE TRIGGER note BEFORE INSERT ON refinery_schema_history FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER note BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION note();
        DELETE FROM refinery_schema_history WHERE version = 4;
        DROP INDEX orders_numbered_apart;";
    schema.sql.batch_execute(note).await.unwrap();
    schema.store.migrate().await.unwrap();
    schema.store.position(TOPIC, 1).await.unwrap();
    assert_eq!(
        schema
            .rows("SELECT concat_ws(' ', writer, statement, lock) FROM limits ORDER BY writer")
            .await,
        ["positions 5s 5s", "refinery_schema_history 0 5s"]
    );
}

#[tokio::test]
async fn the_probe_reads_no_row() {
    let schema = Schema::new().await;
    schema.store.probe().await.unwrap();
    let plan = format!("EXPLAIN (ANALYZE, COSTS off, TIMING off) {PROBE}");
    let plan = schema.sql.simple_query(&plan).await.unwrap();
    let steps: Vec<&str> = plan.iter().filter_map(scan).collect();
    assert_eq!(steps.len(), 5, "{plan:?}");
    let read = steps.iter().filter(|it| !it.contains("never executed"));
    assert_eq!(read.count(), 0, "{steps:?}");
}

/// The line of a plan that reads a table, if it is one.
fn scan(message: &SimpleQueryMessage) -> Option<&str> {
    let SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    row.get(0).filter(|line| line.contains("Scan"))
}

#[tokio::test]
async fn a_number_that_stands_for_nothing_written_is_a_gap() {
    let schema = Schema::new().await;
    let first = order(1, "a", "u1", 1, 1);
    let log = [
        opening(0, "a", 10),
        first.clone(),
        order(2, "a", "u2", 1, 3),
        cancel(3, &first, 4),
        restock(4, "a", 1, 6),
    ];
    schema.write_all(&log, 2).await;
    let gaps = async || schema.store.sequence_gaps(TOPIC, &[0, 1]).await.unwrap();
    assert_eq!(gaps().await, 2, "2 and 5 are missing");
    let elsewhere = schema.store.sequence_gaps(TOPIC, &[1]).await.unwrap();
    assert_eq!(elsewhere, 0, "it is another worker's sale");

    let rest = [order(5, "a", "u3", 1, 2), order(6, "a", "u4", 1, 5)];
    schema.write_all(&rest, 1).await;
    assert_eq!(gaps().await, 0);
}

#[tokio::test]
async fn nothing_is_missing_from_a_log_with_every_kind_of_record() {
    for log in [log(), changes()] {
        let schema = Schema::new().await;
        schema.write_all(&log, 100).await;
        let gaps = schema.store.sequence_gaps(TOPIC, &[0]).await.unwrap();
        assert_eq!(gaps, 0);
    }
}
