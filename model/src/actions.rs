//! Every action that can happen next.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::effects::{FENCE, fail_over, refilled};
use crate::holds::begin_page;
use crate::promises;
use crate::state::{Batch, Entry, Event, Phase, Record, Redis, Replica, State};
use crate::{Flow, Mistake};

/// One action of one store or one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `reserve.lua`; the buyer is answered `reserved` or better.
    Reserve(u8),
    /// `reserve.lua` for the first two orders in one call.
    ReserveTogether,
    /// `cancel.lua`.
    Cancel(u8),
    /// `restock.lua`.
    Restock,
    /// `complete.lua`.
    Complete(u8),
    /// The grace of an order ends.
    EndGrace(u8),
    /// Redis's clock jumps, so that by it every grace has ended.
    JumpClock,
    /// The instance that expires orders finds one due (`watch_holds.lua`), and reads the log's end.
    BeginPage(u8),
    /// It reads the ledger's highest number.
    ReadMark,
    /// `expire.lua`, or the page is given up.
    Expire,
    /// The outbox relay, or a retry, reads an entry to publish it.
    Relay(Entry),
    /// Kafka writes an event and acknowledges it.
    Publish(Entry),
    /// Kafka writes an event, and the acknowledgement is lost.
    PublishUnacknowledged(Entry),
    /// `ack_outbox.lua`, or `ack_orders.lua` for one order of an entry that may have another.
    Acknowledge(Entry),
    /// Every instance of the API dies.
    KillApis,
    /// A worker reads the next record, or all there are.
    Read {
        /// Which worker.
        worker: usize,
        /// The position after it.
        to: usize,
    },
    /// A worker commits its batch.
    Commit(usize),
    /// A worker dies.
    KillWorker(usize),
    /// PostgreSQL comes back from a backup taken before the first order.
    Restore,
    /// Redis loses all its data.
    Lose,
    /// The replica of Redis no longer follows.
    StopReplica,
    /// The replica takes over.
    FailOver,
    /// `stop_sale.lua`.
    Stop,
    /// The reconciler writes a fence to the log. The outbox is empty by then.
    Fence,
    /// The reconciler refills Redis from PostgreSQL, which is past the fence.
    Refill,
}

impl Model for Flow {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            redis: Redis {
                epoch: 1,
                sequence: 0,
                phase: Phase::Selling,
                remaining: self.units,
                total: self.units,
                completed: 0,
                orders: vec![Record::None; self.orders.into()],
                restocked: false,
                outbox: BTreeSet::new(),
                shared: false,
            },
            log: Vec::new(),
            ledger: self.empty_ledger(),
            to_publish: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            batches: vec![None; self.workers],
            promised: BTreeSet::new(),
            restored: false,
            replica: Replica::InStep,
            highest_seen: (1, 0),
            grace_ended: BTreeSet::new(),
            clock_jumped: false,
            page: None,
            paid: BTreeSet::new(),
            expired_completed: BTreeSet::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let sells = state.sells();
        for order in 0..if sells { self.orders } else { 0 } {
            match state.redis.orders[usize::from(order)] {
                Record::None if state.redis.remaining > 0 => actions.push(Action::Reserve(order)),
                Record::Placed | Record::Completed if order < self.cancellable => {
                    actions.push(Action::Cancel(order));
                }
                _ => {}
            }
        }
        self.hold_actions(state, actions);
        let are_new = state
            .redis
            .orders
            .iter()
            .take(2)
            .all(|it| *it == Record::None);
        if self.together && sells && are_new && state.redis.remaining >= 2 {
            actions.push(Action::ReserveTogether);
        }
        if self.restock && sells && !state.redis.restocked {
            actions.push(Action::Restock);
        }
        actions.extend(state.redis.outbox.iter().copied().map(Action::Relay));
        if state.log.len() < self.records_max {
            actions.extend(state.to_publish.iter().copied().map(Action::Publish));
            actions.extend(
                state
                    .to_publish
                    .iter()
                    .copied()
                    .map(Action::PublishUnacknowledged),
            );
        }
        actions.extend(state.acknowledged.iter().copied().map(Action::Acknowledge));
        actions.push(Action::KillApis);
        for (worker, batch) in state.batches.iter().enumerate() {
            match batch {
                Some(_) => actions.extend([Action::Commit(worker), Action::KillWorker(worker)]),
                None => {
                    let (next, end) = (state.ledger.position + 1, state.log.len());
                    let to: BTreeSet<usize> = [next.min(end), end].into();
                    let to = to.into_iter().filter(|to| *to >= next);
                    actions.extend(to.map(|to| Action::Read { worker, to }));
                }
            }
        }
        if !state.restored {
            actions.push(Action::Restore);
        }
        if self.failover && state.redis.epoch == 1 && state.redis.phase == Phase::Selling {
            match state.replica {
                Replica::InStep => actions.push(Action::StopReplica),
                Replica::Behind(_) => actions.push(Action::FailOver),
                Replica::TookOver => {}
            }
        }
        if self.rebuild && state.redis.epoch == 1 {
            self.rebuild_actions(state, actions);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Reserve(order) => self.reserve(&mut state, order),
            Action::ReserveTogether => {
                self.reserve(&mut state, 0);
                self.reserve(&mut state, 1);
                state.redis.shared = true;
            }
            Action::Cancel(order) => self.cancel(&mut state, order),
            Action::Restock => {
                state.redis.restocked = true;
                self.add_entry(&mut state, Event::Restock);
            }
            Action::Complete(order) => self.complete(&mut state, order),
            Action::EndGrace(order) => {
                state.grace_ended.insert(order);
            }
            Action::JumpClock => state.clock_jumped = true,
            Action::BeginPage(order) => begin_page(&mut state, order),
            Action::ReadMark => self.read_mark(&mut state),
            Action::Expire => self.expire(&mut state),
            Action::Relay(entry) => {
                state.to_publish.insert(entry);
            }
            Action::Publish(entry) => {
                state.to_publish.remove(&entry);
                state.log.push(entry);
                state.acknowledged.insert(entry);
            }
            Action::PublishUnacknowledged(entry) => {
                state.to_publish.remove(&entry);
                state.log.push(entry);
            }
            Action::Acknowledge(entry) => self.acknowledge(&mut state, entry),
            Action::KillApis => {
                state.to_publish.clear();
                state.acknowledged.clear();
                state.page = None;
            }
            Action::Read { worker, to } => {
                state.batches[worker] = Some(Batch {
                    from: state.ledger.position,
                    to,
                    half_committed: false,
                });
            }
            Action::Commit(worker) => self.commit(&mut state, worker),
            Action::KillWorker(worker) => state.batches[worker] = None,
            Action::Restore => {
                state.ledger = self.empty_ledger();
                state.restored = true;
            }
            Action::Lose => self.lose(&mut state),
            Action::StopReplica => state.replica = Replica::Behind(Box::new(state.redis.clone())),
            Action::FailOver => fail_over(&mut state),
            Action::Stop => state.redis.phase = Phase::Stopped,
            Action::Fence => {
                state.redis.outbox.clear();
                state.redis.phase = Phase::Fenced;
                state.log.push(FENCE);
            }
            Action::Refill => state.redis = refilled(&state.ledger),
        }
        // The workers are interchangeable.
        state.batches.sort();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}

impl Flow {
    fn rebuild_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let is = |mistake| self.mistake == Some(mistake);
        let drained = state.redis.outbox.is_empty() || is(Mistake::NotDrained);
        let fence = state.log.iter().position(|entry| *entry == FENCE);
        let is_past = fence.is_some_and(|fence| state.ledger.position > fence);
        match state.redis.phase {
            Phase::Selling => {
                actions.push(Action::Stop);
                if state.replica == Replica::InStep {
                    actions.push(Action::Lose);
                }
            }
            Phase::Blank => actions.push(Action::Stop),
            Phase::Stopped if drained && state.log.len() < self.records_max => {
                actions.push(Action::Fence);
            }
            Phase::Fenced if is_past || is(Mistake::RefilledTooEarly) => {
                actions.push(Action::Refill)
            }
            Phase::Stopped | Phase::Fenced => {}
        }
    }
}
