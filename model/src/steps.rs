use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::promises;
use crate::state::{Batch, Entry, Kept, Ledger, Redis, Row, State};
use crate::{Flow, Mistake};

/// One thing that happens, in one store or one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `reserve.lua`; the buyer is answered `reserved` or better.
    Reserve(u8),
    /// `cancel.lua`.
    Cancel(u8),
    /// `restock.lua`.
    Restock,
    /// A sweeper, or a retry, reads an entry in order to publish it.
    Sweep(Entry),
    /// Kafka takes an event and says so.
    Publish(Entry),
    /// Kafka takes an event, and the acknowledgement is lost.
    PublishUnheard(Entry),
    /// `clear.lua`, or XDEL.
    Clear(Entry),
    /// Every copy of the API dies.
    KillApis,
    /// A worker reads the next record, or all there are.
    Read {
        /// Which worker.
        worker: usize,
        /// The position after it.
        to: usize,
    },
    /// A worker commits what it holds.
    Commit(usize),
    /// A worker dies.
    KillWorker(usize),
    /// PostgreSQL comes back from a backup taken before the first order.
    Restore,
}

impl Model for Flow {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            redis: Redis {
                remaining: self.units,
                total: self.units,
                orders: vec![Kept::Unknown; self.orders.into()],
                restocked: false,
                outbox: BTreeSet::new(),
            },
            log: Vec::new(),
            ledger: self.empty_ledger(),
            to_publish: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            batches: [None; 2],
            promised: BTreeSet::new(),
            restored: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for order in 0..self.orders {
            match state.redis.orders[usize::from(order)] {
                Kept::Unknown if state.redis.remaining > 0 => steps.push(Step::Reserve(order)),
                Kept::Taken if order < self.cancellable => steps.push(Step::Cancel(order)),
                Kept::Unknown | Kept::Taken | Kept::Cancelled => {}
            }
        }
        if self.restock && !state.redis.restocked {
            steps.push(Step::Restock);
        }
        steps.extend(state.redis.outbox.iter().copied().map(Step::Sweep));
        if state.log.len() < self.records_max {
            steps.extend(state.to_publish.iter().copied().map(Step::Publish));
            steps.extend(state.to_publish.iter().copied().map(Step::PublishUnheard));
        }
        steps.extend(state.acknowledged.iter().copied().map(Step::Clear));
        steps.push(Step::KillApis);
        for (worker, batch) in state.batches.iter().enumerate() {
            match batch {
                Some(_) => steps.extend([Step::Commit(worker), Step::KillWorker(worker)]),
                None => {
                    let (next, end) = (state.ledger.position + 1, state.log.len());
                    let to: BTreeSet<usize> = [next.min(end), end].into();
                    let to = to.into_iter().filter(|to| *to >= next);
                    steps.extend(to.map(|to| Step::Read { worker, to }));
                }
            }
        }
        if !state.restored {
            steps.push(Step::Restore);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Reserve(order) => {
                state.redis.remaining -= 1;
                state.redis.orders[usize::from(order)] = Kept::Taken;
                state.promised.insert(order);
                self.note(&mut state, Entry::Order(order));
            }
            Step::Cancel(order) => {
                state.redis.orders[usize::from(order)] = Kept::Cancelled;
                self.note(&mut state, Entry::Cancel(order));
            }
            Step::Restock => {
                state.redis.restocked = true;
                self.note(&mut state, Entry::Restock);
            }
            Step::Sweep(entry) => {
                state.to_publish.insert(entry);
            }
            Step::Publish(entry) => {
                state.to_publish.remove(&entry);
                state.log.push(entry);
                state.acknowledged.insert(entry);
            }
            Step::PublishUnheard(entry) => {
                state.to_publish.remove(&entry);
                state.log.push(entry);
            }
            Step::Clear(entry) => self.clear(&mut state, entry),
            Step::KillApis => {
                state.to_publish.clear();
                state.acknowledged.clear();
            }
            Step::Read { worker, to } => {
                state.batches[worker] = Some(Batch {
                    from: state.ledger.position,
                    to,
                    half_committed: false,
                });
            }
            Step::Commit(worker) => self.commit(&mut state, worker),
            Step::KillWorker(worker) => state.batches[worker] = None,
            Step::Restore => {
                state.ledger = self.empty_ledger();
                state.restored = true;
            }
        }
        // Two workers are alike: which of them holds a batch makes no difference.
        state.batches.sort();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}

impl Flow {
    fn empty_ledger(&self) -> Ledger {
        Ledger {
            position: 0,
            rows: vec![Row::None; self.orders.into()],
            total: self.units,
            sold: 0,
            restocked: false,
        }
    }

    /// Puts an entry into the outbox, and into the hands of the copy that will publish it.
    fn note(&self, state: &mut State, entry: Entry) {
        let forgotten = self.mistake == Some(Mistake::NoOutboxEntry) && !entry.makes_room();
        if !forgotten {
            state.redis.outbox.insert(entry);
        }
        state.to_publish.insert(entry);
        if self.mistake == Some(Mistake::RoomBeforeKafka) {
            make_room(&mut state.redis, entry);
        }
        if self.mistake == Some(Mistake::ClearedUnacknowledged) {
            state.acknowledged.insert(entry);
        }
    }

    fn clear(&self, state: &mut State, entry: Entry) {
        state.acknowledged.remove(&entry);
        let removed = state.redis.outbox.remove(&entry);
        let made_before = self.mistake == Some(Mistake::RoomBeforeKafka);
        let always = self.mistake == Some(Mistake::EffectWithoutRemoval);
        if (removed || always) && !made_before {
            make_room(&mut state.redis, entry);
        }
    }

    fn commit(&self, state: &mut State, worker: usize) {
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
                write(&mut state.ledger, *entry, ignored);
            }
            state.ledger.position = batch.to;
        }
        state.batches[worker] = None;
    }
}

fn make_room(redis: &mut Redis, entry: Entry) {
    match entry {
        Entry::Order(_) => {}
        Entry::Cancel(_) => redis.remaining += 1,
        Entry::Restock => {
            redis.remaining += 1;
            redis.total += 1;
        }
    }
}

/// One record, as `store/settle.rs` takes it.
fn write(ledger: &mut Ledger, entry: Entry, count_duplicates: bool) {
    match entry {
        Entry::Order(order) => {
            let row = &mut ledger.rows[usize::from(order)];
            if *row == Row::None || (count_duplicates && *row == Row::Confirmed) {
                *row = if ledger.sold < ledger.total.cast_signed() {
                    ledger.sold += 1;
                    Row::Confirmed
                } else {
                    Row::Rejected
                };
            }
        }
        Entry::Cancel(order) => {
            let row = &mut ledger.rows[usize::from(order)];
            if *row == Row::Confirmed {
                ledger.sold -= 1;
            }
            *row = Row::Cancelled;
        }
        Entry::Restock if !ledger.restocked => {
            ledger.restocked = true;
            ledger.total += 1;
        }
        Entry::Restock => {}
    }
}
