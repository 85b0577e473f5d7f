//! The start and the changes of a queue.

use super::*;

#[test]
fn a_queue_that_has_started_has_started_in_redis_unless_that_was_later() {
    let mut example = Example::new();
    example.sale().queue_joined = Some(900);
    let lost = ["Redis has lost the start of the queue: rebuild it"];
    assert_eq!(example.objections(), lost);
    example.then.queue_start = "1-5 0 900".parse().ok();
    assert_eq!(example.objections(), [""; 0]);
    example.then.queue_start = None;
    example.written.changes.push(ChangeRow {
        id: "queue_start:1-6".to_owned(),
        kind: ChangeKind::QueueStart,
        units: 0,
        number: number(6),
        at: Timestamp::UNIX_EPOCH,
        queue_settings: None,
    });
    assert_eq!(example.objections(), [""; 0]);
}

#[test]
fn redis_has_the_last_change_of_the_queue_unless_that_was_later() {
    let mut example = Example::new();
    let mut change = |sequence: u32| {
        example.written.changes.push(ChangeRow {
            id: sequence.to_string(),
            kind: ChangeKind::QueueChange,
            units: 0,
            number: number(sequence),
            at: Timestamp::UNIX_EPOCH,
            queue_settings: "50 0 queue".parse().ok(),
        });
    };
    change(6);
    change(7);
    example.sale().highest = number(7);
    example.now = number(7);
    assert_eq!(example.objections(), [""; 0], "since the snapshot");
    example.then.number = number(7);
    let lost = ["Redis has lost a change of the queue: rebuild it"];
    assert_eq!(example.objections(), lost);
    example.then.queue_change = "1-6 0 50 0 queue".parse().ok();
    assert_eq!(example.objections(), lost);
    example.then.queue_change = "1-7 0 50 0 queue".parse().ok();
    assert_eq!(example.objections(), [""; 0]);
}
