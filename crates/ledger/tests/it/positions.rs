//! Positions, the marks of last records, halts, and the workers of version 0.2 beside them.

use fluxgate_domain::batch::{Batch, Position};
use fluxgate_ledger::{LedgerError, StoredPosition};

use crate::fixture::{Schema, TOPIC, batch, mark, opening, order};

const CONSUMER: &str = "inventory-worker";

/// What a worker of version 0.2 does with a batch.
async fn write_as_before(schema: &Schema, next: i64) {
    let advance = "UPDATE positions SET next_offset = $1 WHERE topic = $2 AND partition = 0";
    let moved = schema.sql.execute(advance, &[&next, &TOPIC]).await.unwrap();
    assert_eq!(moved, 1);
}

/// A batch that passes offsets without a record.
fn markers(expected: i64, next: i64) -> Batch {
    let mut batch = batch(&[opening(expected, "a", 1)]);
    let slice = &mut batch.slices[0];
    slice.records.clear();
    (slice.next, slice.last) = (next, None);
    batch
}

#[tokio::test]
async fn a_batch_leaves_the_mark_of_its_last_record() {
    let schema = Schema::new().await;
    let log = [
        opening(0, "a", 9),
        order(1, "a", "u1", 1, 1),
        order(2, "a", "u2", 1, 2),
    ];
    assert_eq!(schema.position(0).await.last, None);
    schema.write_all(&log[..1], 1).await;
    assert_eq!(schema.position(0).await.last, Some(mark(&log[0])));
    let written = schema.ledger.write(TOPIC, &markers(1, 3)).await;
    written.unwrap();
    let position = Position {
        next: 3,
        log_number: 0,
        last: Some(mark(&log[0])),
    };
    assert_eq!(schema.position(0).await, position, "markers leave it");

    // The first half of a batch that was split.
    let mut half = batch(&[order(3, "a", "u1", 1, 1)]);
    half.slices[0].last = None;
    schema.ledger.write(TOPIC, &half).await.unwrap();
    assert_eq!(schema.position(0).await.last, None);
    schema.ledger.write(TOPIC, &markers(4, 5)).await.unwrap();
    assert_eq!(schema.position(0).await.last, None, "and make none");
    let last = order(5, "a", "u2", 1, 2);
    schema.write_all(std::slice::from_ref(&last), 1).await;
    assert_eq!(schema.position(0).await.last, Some(mark(&last)));
}

#[tokio::test]
async fn a_position_that_a_worker_of_version_0_2_has_moved_has_no_mark() {
    let schema = Schema::new().await;
    schema.write_all(&[opening(0, "a", 9)], 1).await;
    write_as_before(&schema, 2).await;
    let position = schema.position(0).await;
    assert_eq!((position.next, position.last), (2, None));
    let next = order(2, "a", "u1", 1, 1);
    schema.write_all(std::slice::from_ref(&next), 1).await;
    assert_eq!(schema.position(0).await.last, Some(mark(&next)));
}

#[tokio::test]
async fn a_halt_stays_until_its_log_is_accepted() {
    let schema = Schema::new().await;
    let log = [opening(0, "a", 9), order(1, "a", "u1", 1, 1)];
    schema.write_all(&log[..1], 1).await;
    let (before, ledger) = (schema.position(0).await, &schema.ledger);
    schema.write_all(&log[1..], 1).await;
    let outdated = ledger.halt(TOPIC, 0, &before, "record_differs").await;
    assert!(!outdated.unwrap(), "another worker has written since");
    let position = schema.position(0).await;
    let halt = async || {
        let halted = ledger.halt(TOPIC, 0, &position, "record_differs").await;
        halted.unwrap()
    };
    let other_log = ledger.halt_log(TOPIC, 0, 1, "record_differs").await;
    assert!(!other_log.unwrap(), "another log was accepted since");
    assert!(halt().await);
    assert!(!halt().await, "it is halted already");
    let halted = StoredPosition::Halted("record_differs".to_owned());
    assert_eq!(ledger.position(TOPIC, 0).await.unwrap(), halted);
    let halted = StoredPosition::Halted("record_differs".to_owned());
    assert_eq!(ledger.positions(TOPIC).await.unwrap()[&0], halted);
    let in_flight = batch(&[order(2, "a", "u2", 1, 2)]);
    let refused = ledger.write(TOPIC, &in_flight).await;
    assert!(matches!(refused, Err(LedgerError::PositionMismatch(_))));

    let audit = schema.audit().await;
    assert_eq!(audit.position(0).await.unwrap(), halted);
    assert_eq!(audit.halted("another-program").await.unwrap(), []);
    let found = audit.halted(CONSUMER).await.unwrap().remove(0);
    assert_eq!((found.partition, found.offset, found.log_number), (0, 2, 0));
    assert!(
        !audit
            .accept_log("another-program", &found, 0)
            .await
            .unwrap()
    );
    assert!(audit.accept_log(CONSUMER, &found, 0).await.unwrap());
    assert!(
        !audit.accept_log(CONSUMER, &found, 0).await.unwrap(),
        "twice"
    );
    let accepted = Position {
        next: 0,
        log_number: 1,
        last: None,
    };
    assert_eq!(schema.position(0).await, accepted);

    // What was read under the number before does not count, although its position fits.
    let frozen = ledger.write(TOPIC, &batch(&log)).await;
    assert!(matches!(frozen, Err(LedgerError::PositionMismatch(_))));
    let mut again = batch(&log);
    again.slices[0].log_number = 1;
    ledger.write(TOPIC, &again).await.unwrap();
    assert_eq!(schema.next(0).await, 2);
    let wherever = ledger.halt_log(TOPIC, 0, 1, "record_missing").await;
    assert!(wherever.unwrap());
}

#[tokio::test]
async fn a_worker_of_version_0_2_finds_no_position_of_a_halted_partition() {
    let schema = Schema::new().await;
    schema.write_all(&[opening(0, "a", 9)], 1).await;
    let position = schema.position(0).await;
    let halted = schema.ledger.halt(TOPIC, 0, &position, "record_differs");
    assert!(halted.await.unwrap());
    let select = "SELECT next_offset::text FROM positions WHERE topic = 'orders' AND partition = 0";
    assert_eq!(schema.rows(select).await, ["-1"]);
    let advance = "UPDATE positions SET next_offset = 5 WHERE topic = 'orders' AND partition = 0";
    let refused = schema.sql.batch_execute(advance).await.unwrap_err();
    let constraint = refused.as_db_error().and_then(|error| error.constraint());
    assert_eq!(constraint, Some("positions_halt_is_whole"));
}
