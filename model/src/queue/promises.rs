//! What must hold in every state.

use stateright::Property;

use super::calls::START;
use super::state::Redis;
use super::{Queue, QueueState};

/// Nobody loses a place, or a turn that was shown: once every instance has called Redis again after a loss, Redis has what any
/// instance had seen.
pub const SHOWN_IS_KEPT: &str = "what was shown is kept";
/// What one instance shows never goes back.
pub const NEVER_BACK: &str = "no instance shows less than before";
/// An instance that has seen the start gives nobody an early place, whatever Redis has lost and its clock says.
pub const START_IS_OVER: &str = "nobody joins early after the start";
/// A number that every instance has seen is not given again.
pub const NUMBERS_ARE_OWN: &str = "no number is given twice";
/// The turn clock runs only while orders can be placed, however many instances call. It may be wrong by one step after a loss,
/// and by one when the outbox has room again.
pub const CLOCK_STANDS: &str = "the turn clock runs only while orders can be placed";

/// All properties.
pub fn queue_promises() -> Vec<Property<Queue>> {
    vec![
        Property::always(SHOWN_IS_KEPT, |_, state: &QueueState| {
            let is_back = state.instances.iter().all(|it| it.has_paced_since_loss);
            let is_unaffected = !state.has_failed_over;
            !(is_back || is_unaffected)
                || state.has_lost_both()
                || state.redis.progress.includes(state.shown)
        }),
        Property::always(NEVER_BACK, |_, state: &QueueState| !state.went_back),
        Property::always(START_IS_OVER, |_, state: &QueueState| {
            !state.early_after_start
        }),
        Property::always(NUMBERS_ARE_OWN, |_, state: &QueueState| {
            !state.number_given_twice
        }),
        Property::always(CLOCK_STANDS, |_, state: &QueueState| {
            let steps = u8::from(state.has_failed_over) + u8::from(state.was_full);
            state.redis.progress.clock <= state.open_ticks + steps
        }),
        Property::sometimes(
            "everybody is served",
            |queue: &Queue, state: &QueueState| {
                let progress = state.redis.progress;
                progress.served_early == queue.early && progress.served_late == queue.joins
            },
        ),
        Property::sometimes(
            "an open sale waits to start its queue",
            |queue: &Queue, state: &QueueState| {
                let Redis { progress, paced_at } = state.redis;
                !queue.outbox_full || (paced_at >= START && !progress.is_started)
            },
        ),
        Property::sometimes(
            "Redis has back what it has lost",
            |queue: &Queue, state: &QueueState| {
                let is_back = state.instances.iter().all(|it| it.has_paced_since_loss);
                !queue.failover || (state.has_failed_over && is_back && state.shown.served_late > 0)
            },
        ),
    ]
}
