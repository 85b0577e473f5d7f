//! Batches and records that PostgreSQL does not take.

use fluxgate_domain::batch::Record;
use fluxgate_domain::events::Undecodable;
use fluxgate_ledger::LedgerError;

use crate::fixture::{Schema, TOPIC, batch, opening, order};
use crate::logs::log;

const ORDERS: &str = "SELECT concat_ws(' ', product_id, user_id, sequence, status) FROM orders";

#[tokio::test]
async fn a_batch_that_was_read_from_another_position_writes_nothing() {
    let schema = Schema::new().await;
    schema.write_all(&log()[..2], 2).await;
    for zombie in [&log()[..2], &log()[4..5]] {
        let missed = schema.ledger.write(TOPIC, &batch(zombie)).await;
        assert!(
            matches!(missed, Err(LedgerError::PositionMismatch(partitions)) if partitions == [0])
        );
    }
    assert_eq!(schema.next(0).await, 2);
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
    let refused = schema.ledger.write(TOPIC, &batch(&log)).await;
    assert!(matches!(refused, Err(LedgerError::Data(reason)) if reason.contains("no_poison")));
    assert_eq!(schema.next(0).await, 0);

    // Halving, as the writer does it, leaves the neighbours unharmed.
    schema.write_all(&log[..2], 1).await;
    let mut poison = log[2].clone();
    poison.mark_dead_letter("refused: constraint no_poison");
    schema.ledger.write(TOPIC, &batch(&[poison])).await.unwrap();
    assert_eq!(schema.rows(ORDERS).await, ["a u1 1 confirmed"]);
    let reasons = schema
        .rows("SELECT concat_ws(' ', \"offset\", reason) FROM dead_letters")
        .await;
    assert_eq!(reasons, ["2 refused: constraint no_poison"]);
}

/// A failed statement makes PostgreSQL ignore the dead letters behind it: the first error is the one that counts.
#[tokio::test]
async fn a_dead_letter_hides_no_refusal_of_an_order_in_its_batch() {
    let schema = Schema::new().await;
    let oversold = [
        opening(0, "a", 1),
        order(1, "a", "u1", 1, 1),
        order(2, "a", "u2", 1, 2),
        garbage(3),
    ];
    let written = schema.ledger.write(TOPIC, &batch(&oversold)).await.unwrap();
    assert_eq!((written.oversold, written.dead_letters), (1, 1));

    let forbid = "ALTER TABLE orders ADD CONSTRAINT no_poison CHECK (user_id <> 'poison')";
    schema.sql.batch_execute(forbid).await.unwrap();
    let refused = [
        opening(4, "b", 1),
        order(5, "b", "poison", 1, 1),
        garbage(6),
    ];
    let refused = schema.ledger.write(TOPIC, &batch(&refused)).await;
    assert!(matches!(refused, Err(LedgerError::Data(reason)) if reason.contains("no_poison")));
}

fn garbage(offset: i64) -> Record {
    Record::new(
        offset,
        0,
        None,
        Some(b"\xff\0"),
        Err(Undecodable::MissingType),
    )
}

#[tokio::test]
async fn dead_letters_keep_their_bytes_beside_the_orders() {
    let schema = Schema::new().await;
    let unknown = Undecodable::UnknownType("a\0b".into());
    let tombstone = Record::new(2, 0, Some(b"a"), None, Err(unknown));
    let log = [
        opening(0, "a", 3),
        garbage(1),
        tombstone,
        order(3, "a", "u1", 1, 1),
    ];
    let written = schema.ledger.write(TOPIC, &batch(&log)).await.unwrap();
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

#[tokio::test]
async fn a_record_on_another_partition_than_its_sale_becomes_a_dead_letter() {
    let schema = Schema::new().await;
    assert_eq!(schema.next(1).await, 0, "it has a position");
    schema
        .write_all(&[opening(0, "a", 3), order(1, "a", "u1", 1, 1)], 1)
        .await;
    let on_1 = |records: &[Record]| {
        let mut batch = batch(records);
        batch.slices[0].partition = 1;
        batch
    };
    // An order alone, an opening alone, and an opening whose sale is not known: neither path takes them.
    let foreign = [
        order(0, "a", "u2", 1, 2),
        opening(1, "a", 3),
        opening(2, "b", 3),
    ];
    for record in &foreign {
        let written = schema.write(&on_1(std::slice::from_ref(record))).await;
        assert_eq!((written.confirmed, written.dead_letters), (0, 1));
    }
    // The rest of its batch is written, here with a record of the same sale on both partitions.
    let mut both = batch(&[order(2, "a", "u3", 1, 3)]);
    let there = on_1(&[order(3, "a", "u4", 1, 4), garbage(4)]);
    both.slices.extend(there.slices);
    let written = schema.write(&both).await;
    assert_eq!((written.confirmed, written.dead_letters), (1, 2));

    assert_eq!(
        schema.rows(ORDERS).await,
        ["a u1 1 confirmed", "a u3 3 confirmed"]
    );
    let sales = "SELECT product_id FROM stock_ledger";
    assert_eq!(schema.rows(sales).await, ["a"]);
    let letters = "SELECT concat_ws(' ', partition, \"offset\", split_part(reason, ':', 1))
                   FROM dead_letters ORDER BY 1";
    let refused = |offset| format!("1 {offset} foreign_partition");
    let expected = [
        refused(0),
        refused(1),
        refused(2),
        refused(3),
        "1 4 missing_type".to_owned(),
    ];
    assert_eq!(schema.rows(letters).await, expected);
    // Their numbers are missing until somebody publishes them where they belong.
    assert_eq!(
        schema.ledger.sequence_gaps(TOPIC, &[0, 1]).await.unwrap(),
        1
    );
}
