use super::*;

fn running(next: i64) -> PartitionState {
    let fresh = true;
    PartitionState::assigned(1, Reading::Running { next, fresh })
}

fn mark(offset: i64) -> RecordMark {
    RecordMark::of(offset, 0, None, None, None)
}

fn arrived(partition: &mut PartitionState, offset: i64) -> Arrival {
    partition.record_arrived(offset, || mark(offset))
}

/// A partition whose last record before `next` was `last`.
fn started(next: i64, last: RecordMark) -> PartitionState {
    let mut partition = running(0);
    let position = Position {
        next,
        log_number: 1,
        last: Some(last),
    };
    partition.started(&position, Instant::now());
    partition
}

#[test]
fn records_are_due_one_after_the_other() {
    let mut partition = running(5);
    assert_eq!(arrived(&mut partition, 4), Arrival::Stale, "fetched before");
    assert_eq!(arrived(&mut partition, 5), Arrival::Due(5));
    assert_eq!(
        arrived(&mut partition, 5),
        Arrival::Stale,
        "the same record twice"
    );
    assert_eq!(arrived(&mut partition, 6), Arrival::Due(6));

    partition.reading = Reading::Halted(Halt::UntilRestart);
    assert_eq!(arrived(&mut partition, 7), Arrival::Stale);
}

#[test]
fn a_gap_is_accepted_only_where_reading_starts() {
    let mut partition = running(5);
    assert_eq!(arrived(&mut partition, 8), Arrival::Due(5));
    assert_eq!(arrived(&mut partition, 11), Arrival::Gap(9));
    assert_eq!(
        arrived(&mut partition, 10),
        Arrival::Due(9),
        "reading started again"
    );
    assert_eq!(arrived(&mut partition, 12), Arrival::Gap(11));
    assert_eq!(
        arrived(&mut partition, 11),
        Arrival::Due(11),
        "nothing was skipped"
    );
}

#[test]
fn offsets_without_a_record_at_the_end_of_the_log_are_passed_once() {
    let mut partition = running(5);
    assert_eq!(partition.pass_to(7), None, "of an earlier start");
    partition.end_reached();
    assert_eq!(partition.pass_to(5), None);
    assert_eq!(partition.pass_to(7), Some(5));
    assert_eq!(partition.pass_to(7), None);
    assert_eq!(arrived(&mut partition, 9), Arrival::Gap(7));
    assert_eq!(partition.pass_to(10), None, "records are on their way");

    partition.reading = Reading::Halted(Halt::UntilRestart);
    partition.end_reached();
    assert_eq!(partition.pass_to(10), None);
}

#[test]
fn the_last_record_is_passed_over_and_the_next_one_is_due() {
    let mut partition = started(7, mark(4));
    assert!(!partition.is_running());
    assert_eq!(
        arrived(&mut partition, 3),
        Arrival::Stale,
        "before the mark"
    );
    assert_eq!(arrived(&mut partition, 4), Arrival::Same);
    assert_eq!(arrived(&mut partition, 7), Arrival::Due(7));

    let mut partition = started(5, mark(4));
    assert_eq!(arrived(&mut partition, 4), Arrival::Same);
    assert_eq!(arrived(&mut partition, 6), Arrival::Gap(5));
}

#[test]
fn another_record_or_none_instead_of_the_last_one_is_remembered() {
    let other = RecordMark {
        checksum: 1,
        ..mark(4)
    };
    let mut partition = started(5, other);
    let found = FoundAtMark::Record(mark(4));
    for times in [1, 2] {
        assert_eq!(arrived(&mut partition, 4), Arrival::Different(found));
        assert_eq!(partition.seen.unwrap().times, times);
    }
    let found = FoundAtMark::Nothing;
    assert_eq!(arrived(&mut partition, 5), Arrival::Different(found));
    assert_eq!(partition.seen.unwrap().times, 1);
    assert!(!partition.end_reached());
    assert_eq!(partition.seen.unwrap().times, 2);
}

#[test]
fn starts_without_an_answer_are_counted_until_there_is_one() {
    let mut partition = started(5, mark(4));
    let later = Instant::now();
    assert!(partition.is_unanswered_since(later));
    assert_eq!(partition.give_up_waiting(), 1);
    assert!(!partition.is_unanswered_since(later), "it is loaded again");
    partition.verify(mark(4), 5, later);
    assert_eq!(partition.give_up_waiting(), 2);
    partition.verify(mark(4), 5, later);
    partition.end_reached();
    assert!(!partition.is_unanswered_since(later), "an end is an answer");
    assert_eq!(partition.give_up_waiting(), 1);

    let unread = Position {
        next: 0,
        log_number: 1,
        last: None,
    };
    partition.started(&unread, later);
    assert!(partition.is_unanswered_since(later));
    arrived(&mut partition, 0);
    assert!(!partition.is_unanswered_since(later));
}
