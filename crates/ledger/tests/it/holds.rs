//! Orders that have to be paid: completions, expiries and cancels, in whatever order they are read.

use std::collections::BTreeSet;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::batch::Record;
use fluxgate_domain::events::CancelCause;
use fluxgate_domain::ids::ProductId;
use fluxgate_domain::order_facts::{Cancel, CancelledBy, Decision};

use crate::fixture::{
    Schema, TOPIC, batch, cancel_for, completion, expiry, opening, order, sorted,
};

const ORDERS: &str = "SELECT orders::text FROM orders ORDER BY order_id";
const LEDGER: &str =
    "SELECT concat_ws(' ', total, sold, completed, epoch, last_sequence, written, holds_ended)
                      FROM stock_ledger JOIN number_series USING (product_id)";
const ORDERS_MAX: u32 = 16;

/// The opening of a sale and, of each order, one of the sixteen sets of events; each number from 1 on stands for one.
fn events(total: i64) -> Vec<Record> {
    let mut log = vec![opening(0, "a", total)];
    let mut sequence = 0;
    let mut next = || {
        sequence += 1;
        sequence
    };
    for set in 0..ORDERS_MAX {
        let ordered = order(0, "a", &format!("u{set}"), 2, next());
        let cause = match set % 3 {
            0 => CancelCause::Buyer,
            _ => CancelCause::Shop,
        };
        log.push(ordered.clone());
        let mut add = |bit: u32, event: fn(i64, &Record, u32) -> Record| {
            if set & bit != 0 {
                log.push(event(0, &ordered, next()));
            }
        };
        add(1, completion);
        add(2, expiry);
        if set & 4 != 0 {
            log.push(cancel_for(cause, 0, &ordered, next()));
        }
        // Without its own record, the order is known from the other events only.
        if set & 8 != 0 && set & 7 != 0 {
            log.retain(|record| record.source != ordered.source);
        }
    }
    log
}

/// The same log with the records behind the opening in any order, every third of them twice.
fn shuffled(log: &[Record], seed: u64) -> Vec<Record> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rest = log[1..].to_vec();
    rest.extend(log.iter().skip(1).step_by(3).cloned());
    random.shuffle(&mut rest);
    let mut log = vec![log[0].clone()];
    log.extend(rest);
    log
}

/// The records at the offsets from 0 on.
fn in_offset_order(log: Vec<Record>) -> Vec<Record> {
    (0..)
        .zip(log)
        .map(|(offset, record)| Record { offset, ..record })
        .collect()
}

#[tokio::test]
async fn with_room_to_spare_the_rows_do_not_depend_on_what_is_read_first_or_twice() {
    let log = events(100);
    let written = async |log: Vec<Record>, size| {
        let schema = Schema::new().await;
        schema.write_all(&in_offset_order(log), size).await;
        let gaps = schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap();
        assert_eq!(gaps, 0, "no number is lost");
        (schema.rows(ORDERS).await, schema.rows(LEDGER).await)
    };
    let expected = written(log.clone(), log.len()).await;
    assert_eq!(expected.0.len(), ORDERS_MAX as usize);
    for seed in 0..12 {
        let size = 1 + seed as usize;
        let seen = written(shuffled(&log, seed), size).await;
        assert_eq!(seen, expected, "seed {seed}, batches of {size}");
    }
}

#[tokio::test]
async fn without_room_no_more_is_sold_than_there_is_and_everything_is_written() {
    for seed in 0..12 {
        let log = in_offset_order(shuffled(&events(8), seed));
        let schema = Schema::new().await;
        schema.write_all(&log, 1 + seed as usize).await;
        assert_eq!(schema.next(0).await, log.len() as i64, "seed {seed}");
        let counted = "SELECT (sold <= total AND sold = (
                SELECT coalesce(sum(quantity), 0) FROM orders WHERE status IN ('confirmed', 'completed')
            ) AND completed = (
                SELECT coalesce(sum(quantity), 0) FROM orders WHERE status = 'completed'
            ))::text FROM stock_ledger";
        assert_eq!(schema.rows(counted).await, ["true"], "seed {seed}");
        let letters = "SELECT reason FROM dead_letters";
        assert_eq!(schema.rows(letters).await, [""; 0], "seed {seed}");
        let gaps = schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap();
        assert_eq!(gaps, 0, "seed {seed}");
    }
}

#[tokio::test]
async fn a_completion_without_units_is_counted_and_named() {
    let schema = Schema::new().await;
    let (first, second) = (order(1, "a", "u1", 2, 1), order(3, "a", "u2", 1, 3));
    let log = [
        opening(0, "a", 2),
        first.clone(),
        expiry(2, &first, 2),
        second,
        completion(4, &first, 4),
        completion(5, &first, 4),
    ];
    schema.write_all(&log[..4], 4).await;
    let written = schema.ledger.write(TOPIC, &batch(&log[4..])).await.unwrap();
    assert_eq!((written.completed, written.duplicates), (1, 1));
    assert_eq!(written.paid_without_unit, 1);
    let refused = "SELECT concat_ws(' ', order_id, status) FROM orders WHERE completion_refused";
    let id = written.paid_without_unit_named[0];
    assert_eq!(schema.rows(refused).await, [format!("{id} expired")]);
}

#[tokio::test]
async fn an_audit_reads_what_is_known_about_an_order() {
    let schema = Schema::new().await;
    schema.write_all(&in_offset_order(events(100)), 7).await;
    let mut audit = schema.audit().await;
    let (written, mut orders) = audit
        .read_sale(&ProductId::parse("a").unwrap())
        .await
        .unwrap();
    let rows = orders.next().await.unwrap();
    let sold = rows.iter().filter(|row| row.facts.status().is_sold());
    let units: i64 = sold.map(|row| row.quantity).sum();
    let sale = written.sale.unwrap();
    assert_eq!((units, orders.sold_units()), (sale.sold, sale.sold));
    assert_eq!(orders.completed_units(), sale.completed);
    let numbers: BTreeSet<_> = rows
        .iter()
        .flat_map(|row| {
            let facts = row.facts;
            let cancel = facts.cancel.map(|cancel| cancel.number);
            [Some(row.number), facts.completion, facts.expiry, cancel]
        })
        .flatten()
        .collect();
    let highest = numbers.len() as u32;
    assert_eq!(
        numbers.last(),
        Some(&SequenceNumber::new(1, highest)),
        "each once"
    );
    let by = |by| {
        rows.iter()
            .filter(|row| row.facts.cancel.is_some_and(|it| it.by == by))
            .count()
    };
    assert_eq!((by(CancelledBy::Buyer), by(CancelledBy::Shop)), (3, 5));
}

#[tokio::test]
async fn an_audit_reads_what_each_user_has_left_unpaid() {
    let schema = Schema::new().await;
    let orders = (1..).zip(["paid", "late", "buyer", "shop", "refused"]);
    let orders: Vec<Record> = orders
        .map(|(sequence, user)| order(0, "a", user, 2, sequence))
        .collect();
    let mut log = vec![opening(0, "a", 10)];
    log.extend(orders.iter().cloned());
    log.extend([
        completion(0, &orders[0], 6),
        expiry(0, &orders[1], 7),
        cancel_for(CancelCause::Buyer, 0, &orders[2], 8),
        cancel_for(CancelCause::Shop, 0, &orders[3], 9),
        expiry(0, &orders[4], 10),
    ]);
    // Nothing is left for the completion of the last one.
    log.push(order(0, "a", "last", 8, 11));
    log.push(completion(0, &orders[4], 12));
    schema.write_all(&in_offset_order(log), 4).await;
    let mut audit = schema.audit().await;
    let (_, mut orders) = audit
        .read_sale(&ProductId::parse("a").unwrap())
        .await
        .unwrap();
    let users = orders.next_users().await.unwrap();
    assert_eq!(
        sorted(&users),
        [
            ("buyer", 0, 1),
            ("last", 8, 0),
            ("late", 0, 1),
            ("paid", 2, 0),
            ("refused", 0, 1)
        ]
    );
    assert_eq!((orders.sold_units(), orders.completed_units()), (10, 2));
}

/// The statements of version 0.2.
#[tokio::test]
async fn a_worker_of_the_version_before_writes_into_the_new_schema() {
    let schema = Schema::new().await;
    let statements = "
        INSERT INTO stock_ledger (product_id, total, opens_at, closes_at, per_user_limit, partition)
        VALUES ('a', 9, 'epoch', NULL, NULL, 0);
        INSERT INTO number_series (series_id, product_id, epoch) VALUES ('a', 'a', 1);
        INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, placed_at, status,
                            reason, cancel_number)
        VALUES ('00000000-0000-8000-8000-000000000000', 'a', 'u', 1, 1, 1, 'epoch', 'confirmed', NULL, NULL);
        UPDATE orders o SET status = 'cancelled', cancel_number = c.number
        FROM unnest(array['00000000-0000-8000-8000-000000000000']::uuid[], array[4294967298]) AS c (order_id, number)
        WHERE o.order_id = c.order_id;
        UPDATE number_series SET written = 1, last_sequence = 2";
    schema.sql.batch_execute(statements).await.unwrap();
    let mut audit = schema.audit().await;
    assert_eq!(schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap(), 0);
    let (_, mut orders) = audit
        .read_sale(&ProductId::parse("a").unwrap())
        .await
        .unwrap();
    let facts = orders.next().await.unwrap()[0].facts;
    let number = SequenceNumber::new(1, 2);
    let by = CancelledBy::Shop;
    assert_eq!(
        (facts.decision, facts.cancel),
        (Decision::Confirmed, Some(Cancel { number, by }))
    );
    let unknown = schema
        .sql
        .batch_execute("UPDATE orders SET status = 'unknown'")
        .await;
    assert!(unknown.is_err(), "statuses are still checked");
}
