//! What the actions change in each store.

use std::collections::BTreeSet;

use crate::state::{Batch, Entry, Event, Ledger, Phase, Record, Redis, Replica, Row, State};
use crate::{Flow, Mistake};

impl Flow {
    pub(crate) fn empty_ledger(&self) -> Ledger {
        Ledger {
            position: 0,
            rows: vec![Row::None; self.orders.into()],
            fenced: 0,
            highest: (0, 0),
            total: self.units,
            sold: 0,
            restocked: false,
        }
    }

    pub(crate) fn reserve(&self, state: &mut State, order: u8) {
        state.redis.remaining -= 1;
        state.redis.orders[usize::from(order)] = Record::Placed;
        state.promised.insert(order);
        self.add_entry(state, Event::Order(order));
    }

    pub(crate) fn cancel(&self, state: &mut State, order: u8) {
        let record = &mut state.redis.orders[usize::from(order)];
        let refunded = *record == Record::Completed;
        *record = Record::Cancelled { refunded };
        self.add_entry(state, Event::Cancel(order));
    }

    /// Adds an event to the outbox; the instance that wrote it will publish it.
    pub(crate) fn add_entry(&self, state: &mut State, event: Event) {
        // Only a failover depends on numbers; elsewhere they would multiply the states for nothing.
        if self.failover {
            state.redis.sequence += 1;
        }
        let entry = Entry {
            epoch: state.redis.epoch,
            sequence: state.redis.sequence,
            event,
        };
        state.highest_seen = state.highest_seen.max(entry.number());
        let left_out = self.mistake == Some(Mistake::NoOutboxEntry) && !event.returns_units();
        if !left_out {
            state.redis.outbox.insert(entry);
        }
        state.to_publish.insert(entry);
        if self.mistake == Some(Mistake::AppliedBeforePublished) {
            return_units(&mut state.redis, entry);
        }
        if self.mistake == Some(Mistake::AcknowledgedUnpublished) {
            state.acknowledged.insert(entry);
        }
    }

    pub(crate) fn acknowledge(&self, state: &mut State, entry: Entry) {
        state.acknowledged.remove(&entry);
        let removed = state.redis.outbox.remove(&entry);
        let is_order = matches!(entry.event, Event::Order(_));
        if self.mistake == Some(Mistake::SharedEntryRemoved) && state.redis.shared && is_order {
            let is_other = |it: &Entry| matches!(it.event, Event::Order(0 | 1));
            state.redis.outbox.retain(|it| !is_other(it));
        }
        let applied_before = self.mistake == Some(Mistake::AppliedBeforePublished);
        let always = self.mistake == Some(Mistake::EffectWithoutRemoval);
        if (removed || always) && !applied_before {
            return_units(&mut state.redis, entry);
        }
    }

    pub(crate) fn commit(&self, state: &mut State, worker: usize) {
        let Some(batch) = state.batches[worker] else {
            return;
        };
        let ignored = self.mistake == Some(Mistake::PositionsIgnored);
        let fits = state.ledger.position == batch.from || batch.half_committed || ignored;
        if fits && self.mistake == Some(Mistake::PositionsBeforeRows) && !batch.half_committed {
            state.ledger.position = batch.to;
            let half_committed = true;
            state.batches[worker] = Some(Batch {
                half_committed,
                ..batch
            });
            return;
        }
        if fits {
            for entry in &state.log[batch.from..batch.to] {
                write(&mut state.ledger, *entry, self.mistake);
            }
            state.ledger.position = batch.to;
            // The calls that wait for the row read it now.
            let completed = (0u8..).zip(&state.ledger.rows);
            let completed = completed.filter(|(_, row)| **row == Row::Completed);
            state.paid.extend(completed.map(|(order, _)| order));
        }
        state.batches[worker] = None;
    }

    /// Redis loses all its data.
    pub(crate) fn lose(&self, state: &mut State) {
        lose_promises(state, &BTreeSet::new());
        state.redis = Redis {
            phase: Phase::Blank,
            remaining: 0,
            total: 0,
            completed: 0,
            orders: vec![Record::None; self.orders.into()],
            restocked: false,
            outbox: BTreeSet::new(),
            shared: false,
            ..state.redis
        };
    }
}

/// The replica takes over from the master.
pub(crate) fn fail_over(state: &mut State) {
    let replica = std::mem::replace(&mut state.replica, Replica::TookOver);
    if let Replica::Behind(redis) = replica {
        lose_promises(state, &redis.outbox);
        state.redis = *redis;
    }
}

/// The stated exception of promise 2: orders that only Redis had, and of which it keeps these entries.
fn lose_promises(state: &mut State, kept: &BTreeSet<Entry>) {
    for entry in state.redis.outbox.difference(kept) {
        if let Event::Order(order) = entry.event {
            state.promised.remove(&order);
        }
    }
}

pub(crate) const FENCE: Entry = Entry {
    epoch: 2,
    sequence: 0,
    event: Event::Fence,
};

/// Redis after a rebuild from the ledger.
pub(crate) fn refilled(ledger: &Ledger) -> Redis {
    let record = |row: &Row| match row {
        Row::None => Record::None,
        Row::Confirmed => Record::Placed,
        Row::Rejected { .. } => Record::Rejected,
        Row::Completed => Record::Completed,
        Row::Expired | Row::PaidWithoutUnit => Record::Expired,
        Row::Cancelled => Record::Cancelled { refunded: false },
    };
    Redis {
        epoch: FENCE.epoch,
        sequence: 0,
        phase: Phase::Selling,
        remaining: ledger.total - ledger.sold.cast_unsigned(),
        total: ledger.total,
        completed: ledger.completed(),
        orders: ledger.rows.iter().map(record).collect(),
        restocked: ledger.restocked,
        outbox: BTreeSet::new(),
        shared: false,
    }
}

/// The effect of an entry that is cleared.
fn return_units(redis: &mut Redis, entry: Entry) {
    match entry.event {
        Event::Order(_) | Event::Completion(_) | Event::Fence => {}
        Event::Cancel(order) => {
            redis.remaining += 1;
            if redis.orders[usize::from(order)] == (Record::Cancelled { refunded: true }) {
                redis.completed -= 1;
            }
        }
        Event::Expiry(_) => redis.remaining += 1,
        Event::Restock => {
            redis.remaining += 1;
            redis.total += 1;
        }
    }
}

/// Applies one event to the ledger, as `fluxgate_domain::apply` does.
fn write(ledger: &mut Ledger, entry: Entry, mistake: Option<Mistake>) {
    let fenced = entry.epoch < ledger.fenced && mistake != Some(Mistake::FenceIgnored);
    match entry.event {
        Event::Order(order) => write_order(ledger, entry, order, fenced, mistake),
        Event::Completion(_) | Event::Expiry(_) | Event::Cancel(_) | Event::Restock if fenced => {
            return;
        }
        Event::Completion(order) | Event::Expiry(order) | Event::Cancel(order) => {
            // Each of them contains its order, which is applied first.
            write_order(ledger, entry, order, fenced, mistake);
            write_fact(ledger, entry.event, order);
        }
        Event::Restock if !ledger.restocked => {
            ledger.restocked = true;
            ledger.total += 1;
        }
        Event::Restock => {}
        Event::Fence => ledger.fenced = entry.epoch,
    }
    ledger.highest = ledger.highest.max(entry.number());
}

fn write_order(
    ledger: &mut Ledger,
    entry: Entry,
    order: u8,
    fenced: bool,
    mistake: Option<Mistake>,
) {
    let row = &mut ledger.rows[usize::from(order)];
    let is_new = match *row {
        Row::None => true,
        Row::Rejected { epoch } => epoch < entry.epoch,
        Row::Confirmed => mistake == Some(Mistake::PositionsIgnored),
        Row::Completed | Row::Expired | Row::PaidWithoutUnit | Row::Cancelled => false,
    };
    if is_new {
        *row = if !fenced && ledger.sold < ledger.total.cast_signed() {
            ledger.sold += 1;
            Row::Confirmed
        } else {
            Row::Rejected { epoch: entry.epoch }
        };
    }
}

/// Adds a fact about an order, as `OrderFacts::with` does. Its unit follows its status.
fn write_fact(ledger: &mut Ledger, fact: Event, order: u8) {
    let has_room = ledger.sold < ledger.total.cast_signed();
    let row = &mut ledger.rows[usize::from(order)];
    let before = *row;
    *row = match (fact, before) {
        (Event::Cancel(_), _) => Row::Cancelled,
        (Event::Completion(_), Row::Confirmed) => Row::Completed,
        (Event::Completion(_), Row::Expired) if has_room => Row::Completed,
        (Event::Completion(_), Row::Expired) => Row::PaidWithoutUnit,
        (Event::Expiry(_), Row::Confirmed) => Row::Expired,
        _ => before,
    };
    ledger.sold += i8::from(row.has_unit()) - i8::from(before.has_unit());
}
