//! What a log leaves in the tables, however it was cut into batches.

use fluxgate_domain::batch::{Content, Record};
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::OrderId;
use fluxgate_ledger::ORDERS_NAMED_MAX;
use jiff::Timestamp;

use crate::fixture::{Schema, TOPIC, batch, cancel, opening, order, restock};
use crate::logs::{changes, log, rebuilt};

const ORDERS: &str = "SELECT concat_ws(' ', product_id, user_id, sequence, status, reason)
                      FROM orders ORDER BY product_id, epoch, sequence, user_id";
const LEDGER: &str = "SELECT concat_ws(' ', product_id, total, sold, written, last_sequence)
                      FROM stock_ledger JOIN number_series USING (product_id) ORDER BY product_id";

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
                ["4 fenced: its epoch is below the fence of a rebuilt sale"]
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
        let written = schema.ledger.write(TOPIC, &batch(log)).await.unwrap();
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
    let written = schema.ledger.write(TOPIC, &batch(&log)).await.unwrap();
    assert_eq!((written.confirmed, written.oversold), (1, 9));
    let first: Vec<_> = log[2..2 + ORDERS_NAMED_MAX].iter().map(id).collect();
    assert_eq!(written.rejected, first);
}

fn id(ordered: &Record) -> OrderId {
    let Content::Event(Event::OrderReserved(order)) = &ordered.content else {
        panic!("an order");
    };
    order.order_id
}

#[tokio::test]
async fn events_that_are_written_ahead_of_their_log_have_no_effect_when_they_are_read() {
    let event = |record: &Record| match &record.content {
        Content::Event(event) => event.clone(),
        Content::DeadLetter(reason) => panic!("{reason}"),
    };
    let (first, lost) = (order(1, "a", "u1", 1, 1), order(9, "a", "u2", 1, 2));
    let room = [
        opening(0, "a", 1),
        cancel(4, &first, 3),
        cancel(5, &lost, 4),
        restock(6, "a", 1, 5),
    ];
    let events: Vec<Event> = room.iter().map(event).collect();
    let schema = Schema::new().await;
    schema.write_all(&[opening(0, "a", 1), first], 1).await;
    // The second time after a crash.
    for _ in 0..2 {
        schema.ledger.write_ahead(0, &events).await.unwrap();
        assert_eq!(schema.rows(LEDGER).await, ["a 2 0 2 5"]);
    }
    assert_eq!(schema.next(0).await, 2);
    let log = [
        order(2, "a", "u3", 1, 6),
        order(3, "a", "u4", 1, 7),
        room[1].clone(),
        room[2].clone(),
        room[3].clone(),
    ];
    schema.write_all(&log, 2).await;
    let sold = [
        "a u1 1 cancelled",
        "a u2 2 cancelled",
        "a u3 6 confirmed",
        "a u4 7 confirmed",
    ];
    assert_eq!(schema.rows(ORDERS).await, sold);
    assert_eq!(schema.rows(LEDGER).await, ["a 2 2 4 7"]);
}
