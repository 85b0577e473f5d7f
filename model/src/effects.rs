//! What the actions change in each store.

use std::collections::BTreeSet;

use crate::state::{Batch, Entry, Event, Ledger, Phase, Record, Redis, Row, State};
use crate::{Flow, Mistake};

impl Flow {
    pub(crate) fn empty_ledger(&self) -> Ledger {
        Ledger {
            position: 0,
            rows: vec![Row::None; self.orders.into()],
            fenced: 0,
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

    /// Adds an event to the outbox; the instance that wrote it will publish it.
    pub(crate) fn add_entry(&self, state: &mut State, event: Event) {
        let epoch = state.redis.epoch;
        let entry = Entry { epoch, event };
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
        }
        state.batches[worker] = None;
    }
}

pub(crate) const FENCE: Entry = Entry {
    epoch: 2,
    event: Event::Fence,
};

/// Redis after a rebuild from the ledger.
pub(crate) fn refilled(ledger: &Ledger) -> Redis {
    let record = |row: &Row| match row {
        Row::None => Record::None,
        Row::Confirmed => Record::Placed,
        Row::Rejected { .. } => Record::Rejected,
        Row::Cancelled => Record::Cancelled,
    };
    Redis {
        epoch: FENCE.epoch,
        phase: Phase::Selling,
        remaining: ledger.total - ledger.sold.cast_unsigned(),
        total: ledger.total,
        orders: ledger.rows.iter().map(record).collect(),
        restocked: ledger.restocked,
        outbox: BTreeSet::new(),
        shared: false,
    }
}

fn return_units(redis: &mut Redis, entry: Entry) {
    match entry.event {
        Event::Order(_) | Event::Fence => {}
        Event::Cancel(_) => redis.remaining += 1,
        Event::Restock => {
            redis.remaining += 1;
            redis.total += 1;
        }
    }
}

/// Applies one event to the ledger, as `fluxgate_domain::apply` does.
fn write(ledger: &mut Ledger, entry: Entry, mistake: Option<Mistake>) {
    let counts_twice = mistake == Some(Mistake::PositionsIgnored);
    let fenced = entry.epoch < ledger.fenced && mistake != Some(Mistake::FenceIgnored);
    match entry.event {
        Event::Order(order) => {
            let row = &mut ledger.rows[usize::from(order)];
            let is_new = match *row {
                Row::None => true,
                Row::Rejected { epoch } => epoch < entry.epoch,
                Row::Confirmed => counts_twice,
                Row::Cancelled => false,
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
        Event::Cancel(_) | Event::Restock if fenced => {}
        Event::Cancel(order) => {
            let row = &mut ledger.rows[usize::from(order)];
            if *row == Row::Confirmed {
                ledger.sold -= 1;
            }
            *row = Row::Cancelled;
        }
        Event::Restock if !ledger.restocked => {
            ledger.restocked = true;
            ledger.total += 1;
        }
        Event::Restock => {}
        Event::Fence => ledger.fenced = entry.epoch,
    }
}
