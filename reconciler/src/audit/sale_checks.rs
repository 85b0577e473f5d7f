//! Compares what the stores say about a sale itself, apart from its orders. Pure.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::apply::ChangeKind;
use fluxgate_gate::Snapshot;
use fluxgate_ledger::{ChangeRow, WrittenSale};
use jiff::Timestamp;

use super::Findings;

/// Redis may lack only a sale that is over: one that takes no orders any more and has none that waits for its payment.
pub fn check_absence(found: &mut Findings, written: &WrittenSale, clock: Timestamp) {
    let sale = written.sale.as_ref();
    let closes_at = sale.and_then(|sale| sale.closes_at);
    let mut changes = written.changes.iter();
    let by_hand = changes.any(|change| change.kind == ChangeKind::Close);
    if !by_hand && closes_at.is_none_or(|at| at > clock) {
        found.object("Redis has lost it: rebuild it".to_owned());
    } else if found.held > 0 {
        let held = found.held;
        found.object(format!(
            "Redis has lost it while {held} units wait for their payment: rebuild it"
        ));
    }
}

/// Redis and the ledger have the same total, less what was restocked since the snapshot.
pub fn check_total(found: &mut Findings, written: &WrittenSale, then: &Snapshot) {
    let later = later_changes(written, then, ChangeKind::Restock);
    let later: i64 = later.map(|change| change.units).sum();
    let total = written.sale.as_ref().map_or(0, |sale| sale.total - later);
    if total != then.total {
        let seen = then.total;
        found.object(format!(
            "Redis has a total of {seen} units, the ledger {total}"
        ));
    }
}

/// Redis and the ledger have the same terms, unless an amendment is on its way.
pub fn check_terms(found: &mut Findings, written: &WrittenSale, then: &Snapshot) {
    let ledger = written.sale.as_ref().and_then(|sale| sale.terms);
    let mut later = later_changes(written, then, ChangeKind::Amend);
    let is_on_its_way = !then.effects.is_empty() || later.next().is_some();
    if let Some((redis, ledger)) = then.terms.zip(ledger)
        && redis != ledger
        && !is_on_its_way
    {
        found.object(format!(
            "Redis has the terms {}, the ledger {}",
            redis.to_json(),
            ledger.to_json()
        ));
    }
}

/// A queue that has started by the ledger has started in Redis: otherwise people could still join before others who have. And Redis
/// has its last change.
pub fn check_queue(found: &mut Findings, written: &WrittenSale, then: &Snapshot) {
    let joined = written.sale.as_ref().and_then(|sale| sale.queue_joined);
    let mut later = later_changes(written, then, ChangeKind::QueueStart);
    if joined.is_some() && then.queue_start.is_none() && later.next().is_none() {
        found.object("Redis has lost the start of the queue: rebuild it".to_owned());
    }
    let changes = written.changes.iter();
    let changes = changes.filter(|it| it.kind == ChangeKind::QueueChange);
    let last = changes.map(|it| it.number).filter(|it| *it <= then.number);
    if last.max() > then.queue_change.map(|it| it.number) {
        found.object("Redis has lost a change of the queue: rebuild it".to_owned());
    }
}

/// Redis is not behind PostgreSQL.
pub fn check_high_water_mark(
    found: &mut Findings,
    written: &WrittenSale,
    now: Option<SequenceNumber>,
) {
    let sale = written.sale.as_ref();
    let written = sale.map_or(SequenceNumber::default(), |sale| sale.highest);
    match now {
        None => found.doubt("a rebuild has begun".to_owned()),
        Some(now) if now < written => found.prove(format!(
            "Redis is at {now}, PostgreSQL at {written}: Redis has lost writes; rebuild it"
        )),
        Some(_) => {}
    }
}

/// Changes of a kind that did not count yet in Redis when the snapshot was taken.
fn later_changes<'a>(
    written: &'a WrittenSale,
    then: &'a Snapshot,
    kind: ChangeKind,
) -> impl Iterator<Item = &'a ChangeRow> {
    let changes = written.changes.iter();
    changes.filter(move |change| {
        change.kind == kind && (change.number > then.number || then.holds(change.number))
    })
}
