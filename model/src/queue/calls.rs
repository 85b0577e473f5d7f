//! What the scripts do in one call.

use super::state::{Progress, Reply};
use super::{Queue, QueueMistake, QueueState};

/// When the sale opens, by Redis's clock.
pub const START: u8 = 1;
/// The most that a call moves the clock.
const STEP_MAX: u8 = 1;

impl Queue {
    /// `read_queue.lua`: how far the queue has come, as Redis and the caller together know it.
    fn read(&self, redis: Progress, mark: Progress) -> Progress {
        let mut progress = redis.max(mark);
        match self.mistake {
            Some(QueueMistake::MarkNotBrought) => progress = redis,
            Some(QueueMistake::StartNotBrought) => progress.is_started = redis.is_started,
            Some(QueueMistake::NumberNotCompared) => progress.late = redis.late,
            Some(QueueMistake::ThresholdsNotCompared) => {
                progress.served_early = redis.served_early;
                progress.served_late = redis.served_late;
            }
            _ => {}
        }
        progress
    }

    /// `join_queue.lua`.
    pub fn join(&self, state: &mut QueueState, instance: usize) -> Reply {
        let progress = self.read(state.redis.progress, state.instances[instance].mark);
        if state.now < START && !progress.is_started && progress.late == 0 {
            return Reply::Early;
        }
        let number = progress.late + 1;
        state.redis.progress.late = number;
        Reply::Late(number)
    }

    /// `pace_queue.lua`. Left out: a call that finds Redis behind starts nothing and moves no clock, as with a full outbox.
    pub fn pace(&self, state: &mut QueueState, instance: usize) -> Reply {
        let redis = state.redis;
        let is_open = state.now >= START;
        let can_write = is_open && !state.is_full;
        let gives_turns = match self.mistake {
            Some(QueueMistake::ClockRunsWhileFull) => is_open,
            _ => can_write,
        };
        let passed = match (gives_turns, self.mistake) {
            (false, _) => 0,
            (true, Some(QueueMistake::EveryCallMoves)) => STEP_MAX,
            (true, _) => state.now.saturating_sub(redis.paced_at).min(STEP_MAX),
        };
        let move_on = |mut progress: Progress| {
            progress.is_started |= can_write;
            progress.clock += passed;
            self.serve(progress, passed)
        };
        let progress = move_on(self.read(redis.progress, state.instances[instance].mark));
        state.redis.paced_at = state.now;
        state.redis.progress = match self.mistake {
            Some(QueueMistake::MarkNotKept) => move_on(redis.progress),
            _ => progress,
        };
        state.instances[instance].has_paced_since_loss = true;
        Reply::Paced(progress)
    }

    /// Serves so many people, those who joined before the start first.
    fn serve(&self, mut progress: Progress, people: u8) -> Progress {
        for _ in 0..people {
            if progress.served_early < self.early {
                progress.served_early += 1;
            } else if progress.served_late < progress.late {
                progress.served_late += 1;
            }
        }
        progress
    }
}
