//! Every action that can happen next.

use stateright::{Model, Property};

use super::calls::START;
use super::promises;
use super::state::{Instance, Progress, Redis, Reply};
use super::{Queue, QueueState};

/// One action of Redis or an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueAction {
    /// Time passes.
    Tick,
    /// An instance lets somebody join.
    Join(usize),
    /// An instance serves the queue.
    Pace(usize),
    /// A reply arrives.
    Deliver(usize),
    /// An instance dies, and another one takes its place.
    Kill(usize),
    /// The replica of Redis no longer follows.
    StopReplica,
    /// The replica takes over.
    FailOver,
    /// The same, and its clock is behind.
    FailOverSetBack,
    /// The outbox is full.
    Fill,
    /// The outbox has room again.
    Drain,
}

impl Model for Queue {
    type State = QueueState;
    type Action = QueueAction;

    fn init_states(&self) -> Vec<QueueState> {
        vec![QueueState {
            redis: Redis::default(),
            replica: None,
            has_failed_over: false,
            now: 0,
            ticks: 0,
            open_ticks: 0,
            is_full: false,
            was_full: false,
            has_killed: false,
            joins: 0,
            instances: vec![Instance::default(); self.instances],
            given: [].into(),
            seen_by_all: u8::MAX,
            shown: Progress::default(),
            number_given_twice: false,
            early_after_start: false,
            went_back: false,
        }]
    }

    fn actions(&self, state: &QueueState, actions: &mut Vec<QueueAction>) {
        if state.ticks < self.ticks {
            actions.push(QueueAction::Tick);
        }
        for (number, instance) in state.instances.iter().enumerate() {
            if instance.reply.is_some() {
                actions.push(QueueAction::Deliver(number));
            } else {
                actions.push(QueueAction::Pace(number));
                if state.joins < self.joins {
                    actions.push(QueueAction::Join(number));
                }
            }
            if self.kill && !state.has_killed {
                actions.push(QueueAction::Kill(number));
            }
        }
        if self.failover && !state.has_failed_over {
            actions.push(match state.replica {
                None => QueueAction::StopReplica,
                Some(_) => QueueAction::FailOver,
            });
            if self.clock_set_back && state.replica.is_some() {
                actions.push(QueueAction::FailOverSetBack);
            }
        }
        if self.outbox_full {
            match (state.is_full, state.was_full) {
                (true, _) => actions.push(QueueAction::Drain),
                (false, false) => actions.push(QueueAction::Fill),
                (false, true) => {}
            }
        }
    }

    fn next_state(&self, before: &QueueState, action: QueueAction) -> Option<QueueState> {
        let mut state = before.clone();
        match action {
            QueueAction::Tick => {
                state.ticks += 1;
                state.now += 1;
                state.open_ticks += u8::from(state.now >= START && !state.is_full);
            }
            QueueAction::Join(number) => {
                state.joins += 1;
                state.instances[number].reply = Some(self.join(&mut state, number));
            }
            QueueAction::Pace(number) => {
                state.instances[number].reply = Some(self.pace(&mut state, number));
            }
            QueueAction::Deliver(number) => deliver(&mut state, number),
            QueueAction::Kill(number) => {
                state.has_killed = true;
                state.instances[number] = Instance {
                    has_paced_since_loss: state.instances[number].has_paced_since_loss,
                    ..Instance::default()
                };
            }
            QueueAction::StopReplica => state.replica = Some(state.redis),
            QueueAction::FailOver => fail_over(&mut state),
            QueueAction::FailOverSetBack => {
                fail_over(&mut state);
                state.now = 0;
            }
            QueueAction::Fill => (state.is_full, state.was_full) = (true, true),
            QueueAction::Drain => state.is_full = false,
        }
        // The instances are interchangeable.
        state.instances.sort();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::queue_promises()
    }
}

fn deliver(state: &mut QueueState, number: usize) {
    let instance = &mut state.instances[number];
    let mut seen = Progress::default();
    match instance.reply.take() {
        None => return,
        Some(Reply::Early) => state.early_after_start |= instance.mark.is_started,
        Some(Reply::Late(late)) => {
            let is_new = state.given.insert(late);
            state.number_given_twice |= !is_new && late <= state.seen_by_all;
            seen.late = late;
        }
        Some(Reply::Paced(progress)) => {
            state.went_back |= !progress.includes(instance.mark);
            seen = progress;
        }
    }
    instance.mark = instance.mark.max(seen);
    state.shown = state.shown.max(seen);
}

/// The replica takes over from the master.
fn fail_over(state: &mut QueueState) {
    if let Some(redis) = state.replica.take() {
        state.redis = redis;
    }
    state.has_failed_over = true;
    let marks = state.instances.iter().map(|it| it.mark.late);
    state.seen_by_all = marks.min().unwrap_or(0);
    for instance in &mut state.instances {
        instance.has_paced_since_loss = false;
    }
}
