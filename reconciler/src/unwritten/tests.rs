use fluxgate_domain::OrderFacts;
use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::ids::{IdempotencyKey, Tag, UserId};
use fluxgate_domain::order_facts::{Decision, RejectReason};
use fluxgate_domain::records::{QueueChangeRecord, QueueStartRecord};
use fluxgate_gate::RecordedOrder;
use fluxgate_ledger::ChangeRow;
use jiff::Timestamp;

use super::*;

fn number(sequence: u32) -> SequenceNumber {
    SequenceNumber::new(1, sequence)
}

fn product() -> ProductId {
    ProductId::parse("p").unwrap()
}

fn id() -> OrderId {
    let user = UserId::parse("u").unwrap();
    let key = IdempotencyKey::parse("k").unwrap();
    OrderId::derive(&product(), Tag::of(&product()), 1, &user, &key)
}

/// What PostgreSQL lacks of an order that was completed (2), has expired (3) and was cancelled (4), if it has a row with
/// these facts.
fn lacking(facts: Option<OrderFacts>) -> Vec<Lacking> {
    let order = RecordedOrder {
        id: id(),
        number: number(1),
        completion: Some(number(2)),
        expiry: Some(number(3)),
        cancel: Some(number(4)),
    };
    let mut records = Records::default();
    records.orders.push(order);
    let mut unwritten = Unwritten::of(records);
    if let Some(facts) = facts {
        unwritten.remove(&OrderRow {
            id: id(),
            user: "u".to_owned(),
            quantity: 1,
            number: number(1),
            placed_at: Timestamp::UNIX_EPOCH,
            facts,
        });
    }
    unwritten.lacking(|_| false, &WrittenSale::default())
}

fn subjects(facts: Option<OrderFacts>) -> Vec<Subject> {
    lacking(facts).iter().map(|it| it.subject).collect()
}

#[test]
fn completions_and_expiries_that_have_no_row_are_lacking() {
    use Subject::{Cancel, Completion, Expiry, Order};
    let expected = [Order(id()), Completion(id()), Expiry(id()), Cancel(id())];
    assert_eq!(subjects(None), expected);
    let makes_room: Vec<bool> = lacking(None).iter().map(Lacking::makes_room).collect();
    assert_eq!(makes_room, [false, false, true, true]);

    let mut facts = OrderFacts::of(Decision::Confirmed);
    assert_eq!(subjects(Some(facts)), expected[1..]);
    facts.completion = Some(number(2));
    assert_eq!(subjects(Some(facts)), expected[2..]);
    facts.expiry = Some(number(3));
    assert_eq!(subjects(Some(facts)), expected[3..]);
    facts.completion = None;
    assert_eq!(subjects(Some(facts)), [Completion(id()), Cancel(id())]);
}

#[test]
fn an_order_whose_key_was_used_again_has_no_row() {
    let records = |number| {
        let mut records = Records::default();
        records.orders.push(RecordedOrder {
            id: id(),
            number,
            completion: None,
            expiry: None,
            cancel: None,
        });
        records
    };
    let row = OrderRow {
        id: id(),
        user: "u".to_owned(),
        quantity: 1,
        number: number(1),
        placed_at: Timestamp::UNIX_EPOCH,
        facts: OrderFacts::of(Decision::Rejected(RejectReason::Fenced)),
    };
    let again = SequenceNumber::new(2, 1);
    for (number, expected) in [(number(1), None), (again, Some(again))] {
        let mut unwritten = Unwritten::of(records(number));
        unwritten.remove(&row);
        let lacking = unwritten.lacking(|_| false, &WrittenSale::default());
        assert_eq!(lacking.first().map(|it| it.number), expected);
    }
}

#[test]
fn the_events_of_completions_and_expiries_are_those_of_the_record() {
    let text = "1-1/completed:1-2:20/expired:1-3:30/1-4/40 10 1 u";
    let records = HashMap::from([(id(), text.parse().unwrap())]);
    let unwritten = Unwritten::of(Records::default());
    let event = |subject| unwritten.event(&product(), subject, &records).unwrap();
    let Event::OrderCompleted(completed) = event(Subject::Completion(id())) else {
        panic!("a completion");
    };
    assert_eq!(completed.completion_sequence, 2);
    for (subject, sequence) in [(Subject::Expiry(id()), 3), (Subject::Cancel(id()), 4)] {
        let Event::OrderCancelled(cancelled) = event(subject) else {
            panic!("a cancel");
        };
        assert_eq!(cancelled.cancel_sequence, sequence);
    }
}

#[test]
fn a_start_of_the_queue_that_has_no_row_is_lacking() {
    let start: QueueStartRecord = "1-3 20 900".parse().unwrap();
    let mut records = Records::default();
    records.queue_start = Some(start);
    let unwritten = Unwritten::of(records);
    let row = |sequence| ChangeRow {
        id: format!("queue_start:1-{sequence}"),
        kind: ChangeKind::QueueStart,
        units: 0,
        number: number(sequence),
        at: Timestamp::UNIX_EPOCH,
        queue_settings: None,
    };
    let written = |sequence| WrittenSale {
        changes: vec![row(sequence)],
        ..WrittenSale::default()
    };
    let lacking = |written| unwritten.lacking(|_| false, &written);
    let expected = Lacking {
        number: number(3),
        subject: Subject::QueueStart,
    };
    // A start that Redis had lost is another one.
    assert_eq!(lacking(written(2)), [expected]);
    assert_eq!(lacking(written(3)), []);
    assert!(!expected.makes_room());
    let waiting = unwritten.lacking(|it| it == number(3), &written(2));
    assert_eq!(waiting, []);
    let event = unwritten.event(&product(), Subject::QueueStart, &HashMap::new());
    assert_eq!(event, Some(Event::QueueStarted(start.event(&product()))));
}

#[test]
fn a_change_of_the_queue_that_has_no_row_is_lacking() {
    let change: QueueChangeRecord = "1-3 20 50 1 queue".parse().unwrap();
    let change_id = QueueChangeId::derive(&product(), &IdempotencyKey::parse("k").unwrap());
    let mut records = Records::default();
    records.queue_changes.insert(change_id, change);
    let unwritten = Unwritten::of(records);
    let row = ChangeRow {
        id: change_id.to_string(),
        kind: ChangeKind::QueueChange,
        units: 0,
        number: number(3),
        at: Timestamp::UNIX_EPOCH,
        queue_settings: Some(change.settings),
    };
    let subject = Subject::QueueChange(change_id);
    let expected = Lacking {
        number: number(3),
        subject,
    };
    let lacking = |written: &WrittenSale| unwritten.lacking(|_| false, written);
    assert_eq!(lacking(&WrittenSale::default()), [expected]);
    let written = WrittenSale {
        changes: vec![row],
        ..WrittenSale::default()
    };
    assert_eq!(lacking(&written), []);
    let event = unwritten.event(&product(), subject, &HashMap::new());
    let expected = Event::QueueChanged(change.event(change_id, &product()));
    assert_eq!(event, Some(expected));
}
