//! Changes of a sale that may be read in another order than they were made in.

use super::*;
use crate::Terms;
use crate::events::{QueueChanged, QueueStarted, SaleAmended};
use crate::ids::QueueChangeId;
use crate::queue::QueueSettings;

pub fn amendment(n: u32) -> Event {
    Event::SaleAmended(Box::new(SaleAmended {
        product_id: product(),
        opens_at: Timestamp::UNIX_EPOCH,
        terms: Terms {
            per_user_limit: Some(n),
            ..Terms::of(1.try_into().unwrap())
        },
        epoch: 1,
        sequence: 300 + n,
        amended_at: Timestamp::UNIX_EPOCH,
    }))
}

/// The start `n` of the queue, which fewer had joined than those before.
pub fn queue_start(n: u32) -> Event {
    Event::QueueStarted(QueueStarted {
        product_id: product(),
        joined: u64::from(1_000 - n),
        epoch: 1,
        sequence: 400 + n,
        started_at: Timestamp::UNIX_EPOCH,
    })
}

pub fn queue_change(n: u32) -> Event {
    Event::QueueChanged(QueueChanged {
        product_id: product(),
        change_id: QueueChangeId::derive(&product(), &key(n)),
        settings: QueueSettings {
            admit_per_second: (1 + n).try_into().ok(),
            ..QueueSettings::default()
        },
        epoch: 1,
        sequence: 500 + n,
        changed_at: Timestamp::UNIX_EPOCH,
    })
}

#[test]
fn of_several_amendments_the_highest_number_counts_in_whatever_order_they_are_read() {
    for (first, second) in [(1, 2), (2, 1)] {
        let events = [amendment(first), amendment(second), amendment(first)];
        let operations: Vec<_> = (0..).map(at).zip(events.iter().map(operation)).collect();
        let applied = apply(&operations, &ExistingRows::default(), &mut headroom(1));
        assert_eq!(applied.amendments[&product()].sequence, 302);
        let ids: Vec<_> = applied.changes.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                format!("amend:1-{}", 300 + first),
                format!("amend:1-{}", 300 + second)
            ]
        );
        assert_eq!(applied.duplicates, 1);
    }
}

#[test]
fn of_several_starts_of_a_queue_each_has_a_row_and_the_largest_count_stays() {
    for (first, second) in [(1, 2), (2, 1)] {
        let events = [first, second, first].map(queue_start);
        for size in 1..=3 {
            let (mut sales, mut existing) = (headroom(1), ExistingRows::default());
            let operations: Vec<_> = (0..).map(at).zip(events.iter().map(operation)).collect();
            let (mut joined, mut rows, mut duplicates) = (None, Vec::new(), 0);
            for batch in operations.chunks(size) {
                let applied = apply(batch, &existing, &mut sales);
                write(&applied, &mut existing);
                let changes = applied.changes.iter();
                rows.extend(changes.map(|it| (it.id.clone(), it.kind, it.number.sequence)));
                duplicates += applied.duplicates;
                let delta = applied.ledger.get(&product());
                joined = joined.max(delta.and_then(|delta| delta.queue_joined));
            }
            let row = |n| {
                let sequence = 400 + n;
                let id = format!("queue_start:1-{sequence}");
                (id, ChangeKind::QueueStart, sequence)
            };
            assert_eq!(rows, [row(first), row(second)], "batches of {size}");
            assert_eq!((joined, duplicates), (Some(999), 1));
        }
    }
}

#[test]
fn every_change_of_a_queue_has_a_row_with_what_was_set() {
    let events = [2, 1, 2].map(queue_change);
    let operations: Vec<_> = (0..).map(at).zip(events.iter().map(operation)).collect();
    let applied = apply(&operations, &ExistingRows::default(), &mut headroom(1));
    let rates = applied.changes.iter().map(|it| {
        let rate = it.queue_settings.unwrap().admit_per_second.unwrap();
        (it.kind, it.number.sequence, rate.get(), it.units)
    });
    let expected = [2, 1].map(|n| (ChangeKind::QueueChange, 500 + n, 1 + n, 0));
    assert_eq!(rates.collect::<Vec<_>>(), expected);
    assert_eq!(applied.duplicates, 1);
    assert!(applied.ledger.is_empty());
}
