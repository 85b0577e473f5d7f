//! Which dead letters are to be copied, and by whom.

use std::time::Duration;

use fluxgate_domain::batch::Record;

use crate::fixture::{Schema, TOPIC, batch, order};

const LEASE: Duration = Duration::from_secs(60);

fn letters() -> Vec<Record> {
    let mut letters = [0, 1, 2].map(|offset| order(offset, "a", "u1", 1, 1));
    letters.iter_mut().for_each(|it| it.mark_dead_letter("x"));
    letters.to_vec()
}

/// The offsets that somebody who asks for `max` gets.
async fn lease(schema: &Schema, max: usize) -> Vec<i64> {
    let leased = schema.ledger.lease_dead_letters(TOPIC, max, LEASE).await;
    let mut offsets: Vec<i64> = leased.unwrap().iter().map(|it| it.offset).collect();
    offsets.sort_unstable();
    offsets
}

#[tokio::test]
async fn a_dead_letter_is_one_workers_to_copy_until_its_lease_has_ended() {
    let schema = Schema::new().await;
    schema.write_all(&letters(), 3).await;
    let first = lease(&schema, 2).await;
    let second = lease(&schema, 2).await;
    assert_eq!((first.len(), second.len()), (2, 1));
    assert!(!first.contains(&second[0]));
    assert!(lease(&schema, 2).await.is_empty());

    let end = "UPDATE dead_letters SET copy_due_at = now() - interval '1 s'";
    schema.sql.batch_execute(end).await.unwrap();
    assert_eq!(lease(&schema, 16).await, [0, 1, 2], "its worker has died");
}

#[tokio::test]
async fn a_dead_letter_is_due_once_even_if_the_log_is_read_again() {
    let schema = Schema::new().await;
    schema.write_all(&letters(), 3).await;
    let waiting = async || schema.ledger.uncopied_dead_letters(TOPIC).await.unwrap();
    assert_eq!(waiting().await, 3);
    let leased = schema.ledger.lease_dead_letters(TOPIC, 2, LEASE).await;
    let copied = leased.unwrap();
    schema.ledger.end_copies(TOPIC, &copied).await.unwrap();
    assert_eq!(waiting().await, 1);

    let reset = "UPDATE positions SET next_offset = 0";
    schema.sql.batch_execute(reset).await.unwrap();
    schema
        .ledger
        .write(TOPIC, &batch(&letters()))
        .await
        .unwrap();
    assert_eq!(waiting().await, 1);
}
