use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::promises;
use crate::state::{Batch, Entry, Event, Kept, Ledger, Phase, Redis, Row, State};
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
    /// Redis loses all it has.
    Lose,
    /// `stop_sale.lua`.
    Stop,
    /// The reconciler puts a fence on the log; the outbox is drained by then.
    Fence,
    /// The reconciler fills Redis from PostgreSQL, which is past the fence.
    Fill,
}

impl Model for Flow {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            redis: Redis {
                epoch: 1,
                phase: Phase::Selling,
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
        let sells = state.redis.phase == Phase::Selling;
        for order in 0..if sells { self.orders } else { 0 } {
            match state.redis.orders[usize::from(order)] {
                Kept::Unknown if state.redis.remaining > 0 => steps.push(Step::Reserve(order)),
                Kept::Taken if order < self.cancellable => steps.push(Step::Cancel(order)),
                Kept::Unknown | Kept::Taken | Kept::Cancelled | Kept::Rejected => {}
            }
        }
        if self.restock && sells && !state.redis.restocked {
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
        if self.rebuild && state.redis.epoch == 1 {
            self.rebuild_steps(state, steps);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Reserve(order) => {
                state.redis.remaining -= 1;
                state.redis.orders[usize::from(order)] = Kept::Taken;
                state.promised.insert(order);
                self.note(&mut state, Event::Order(order));
            }
            Step::Cancel(order) => {
                state.redis.orders[usize::from(order)] = Kept::Cancelled;
                self.note(&mut state, Event::Cancel(order));
            }
            Step::Restock => {
                state.redis.restocked = true;
                self.note(&mut state, Event::Restock);
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
            Step::Lose => {
                // What only Redis had is no longer promised: the stated exception.
                let lost: Vec<Event> = state.redis.outbox.iter().map(|it| it.event).collect();
                state
                    .promised
                    .retain(|order| !lost.contains(&Event::Order(*order)));
                state.redis = Redis {
                    phase: Phase::Blank,
                    remaining: 0,
                    total: 0,
                    orders: vec![Kept::Unknown; self.orders.into()],
                    restocked: false,
                    outbox: BTreeSet::new(),
                    ..state.redis
                };
            }
            Step::Stop => state.redis.phase = Phase::Stopped,
            Step::Fence => {
                state.redis.outbox.clear();
                state.redis.phase = Phase::Fenced;
                state.log.push(FENCE);
            }
            Step::Fill => state.redis = filled(&state.ledger),
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
            fenced: 0,
            total: self.units,
            sold: 0,
            restocked: false,
        }
    }

    fn rebuild_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let is = |mistake| self.mistake == Some(mistake);
        let drained = state.redis.outbox.is_empty() || is(Mistake::NotDrained);
        let fence = state.log.iter().position(|entry| *entry == FENCE);
        let is_past = fence.is_some_and(|fence| state.ledger.position > fence);
        match state.redis.phase {
            Phase::Selling => steps.extend([Step::Lose, Step::Stop]),
            Phase::Blank => steps.push(Step::Stop),
            Phase::Stopped if drained && state.log.len() < self.records_max => {
                steps.push(Step::Fence);
            }
            Phase::Fenced if is_past || is(Mistake::FilledTooEarly) => steps.push(Step::Fill),
            Phase::Stopped | Phase::Fenced => {}
        }
    }

    /// Puts an entry into the outbox, and into the hands of the copy that will publish it.
    fn note(&self, state: &mut State, event: Event) {
        let epoch = state.redis.epoch;
        let entry = Entry { epoch, event };
        let forgotten = self.mistake == Some(Mistake::NoOutboxEntry) && !event.makes_room();
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
                write(&mut state.ledger, *entry, self.mistake);
            }
            state.ledger.position = batch.to;
        }
        state.batches[worker] = None;
    }
}

const FENCE: Entry = Entry {
    epoch: 2,
    event: Event::Fence,
};

/// What a rebuild makes of the ledger.
fn filled(ledger: &Ledger) -> Redis {
    let kept = |row: &Row| match row {
        Row::None => Kept::Unknown,
        Row::Confirmed => Kept::Taken,
        Row::Rejected { .. } => Kept::Rejected,
        Row::Cancelled => Kept::Cancelled,
    };
    Redis {
        epoch: FENCE.epoch,
        phase: Phase::Selling,
        remaining: ledger.total - ledger.sold.cast_unsigned(),
        total: ledger.total,
        orders: ledger.rows.iter().map(kept).collect(),
        restocked: ledger.restocked,
        outbox: BTreeSet::new(),
    }
}

fn make_room(redis: &mut Redis, entry: Entry) {
    match entry.event {
        Event::Order(_) | Event::Fence => {}
        Event::Cancel(_) => redis.remaining += 1,
        Event::Restock => {
            redis.remaining += 1;
            redis.total += 1;
        }
    }
}

/// One record, as `store/settle.rs` takes it.
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
