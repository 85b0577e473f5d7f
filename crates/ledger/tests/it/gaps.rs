//! Numbers that are missing.

use crate::fixture::{Schema, TOPIC, batch, cancel, opening, order, restock};
use crate::logs::{changes, log};

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
    let gaps = async || schema.ledger.sequence_gaps(TOPIC, &[0, 1]).await.unwrap();
    assert_eq!(gaps().await, 2, "2 and 5 are missing");
    let elsewhere = schema.ledger.sequence_gaps(TOPIC, &[1]).await.unwrap();
    assert_eq!(elsewhere, 0, "it is another worker's sale");

    // After the sale left Redis, a cancel has no number, and makes up for none.
    let last = order(5, "a", "u3", 1, 7);
    let log = [last.clone(), cancel(6, &last, 0)];
    schema.write_all(&log, 1).await;
    assert_eq!(gaps().await, 2);

    let rest = [order(7, "a", "u4", 1, 2), order(8, "a", "u5", 1, 5)];
    schema.write_all(&rest, 1).await;
    assert_eq!(gaps().await, 0);
}

#[tokio::test]
async fn the_same_dead_letter_of_two_logs_stands_for_one_number() {
    let schema = Schema::new().await;
    let mut refused = order(1, "a", "u1", 1, 1);
    refused.mark_dead_letter("refused");
    let log = [opening(0, "a", 10), refused, order(2, "a", "u3", 1, 3)];
    schema.write_all(&log, 100).await;
    let position = schema.position(0).await;
    let halted = schema.ledger.halt(TOPIC, 0, &position, "record_differs");
    assert!(halted.await.unwrap());
    let accept = "UPDATE positions SET next_offset = 0, log_number = 1, last_offset = NULL,
        last_checksum = NULL, last_next_offset = NULL, halted_at = NULL, halted_because = NULL,
        halted_offset = NULL";
    schema.sql.batch_execute(accept).await.unwrap();
    let mut again = batch(&log);
    again.slices[0].log_number = 1;
    schema.ledger.write(TOPIC, &again).await.unwrap();
    let letters = "SELECT log_number::text FROM dead_letters ORDER BY 1";
    assert_eq!(schema.rows(letters).await, ["0", "1"]);
    let gaps = schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap();
    assert_eq!(gaps, 1, "2 is missing, and no letter makes up for it");
}

#[tokio::test]
async fn nothing_is_missing_from_a_log_with_every_kind_of_record() {
    for log in [log(), changes()] {
        let schema = Schema::new().await;
        schema.write_all(&log, 100).await;
        let gaps = schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap();
        assert_eq!(gaps, 0);
    }
}

#[tokio::test]
async fn dead_letters_are_read_once_for_all_sales_and_only_if_numbers_are_missing() {
    let schema = Schema::new().await;
    let sales = ["a", "b", "c", "d", "e"];
    for (sale, product) in (0_i64..).zip(sales) {
        let mut refused = order(3 * sale + 2, product, "u2", 1, 2);
        refused.mark_dead_letter("refused");
        let first = order(3 * sale + 1, product, "u1", 1, 1);
        let log = [opening(3 * sale, product, 10), first, refused];
        schema.write_all(&log, 3).await;
    }
    // Every row that is read takes a number.
    let count_reads = "ALTER TABLE dead_letters RENAME TO letters;
        CREATE SEQUENCE reads;
        CREATE VIEW dead_letters AS SELECT * FROM letters WHERE nextval('reads') > 0";
    schema.sql.batch_execute(count_reads).await.unwrap();
    let reads = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text FROM reads";
    let gaps = async || schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap();

    assert_eq!(gaps().await, 0);
    assert_eq!(schema.rows(reads).await, ["0"], "each has its number 1");

    for (offset, product) in (15_i64..).zip(sales) {
        let third = order(offset, product, "u3", 1, 3);
        schema.write_all(&[third], 1).await;
    }
    assert_eq!(gaps().await, 0, "each number 2 is a dead letter");
    let letters = sales.len().to_string();
    assert_eq!(schema.rows(reads).await, [letters]);
}
