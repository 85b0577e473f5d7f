use stateright::Property;

use crate::Flow;
use crate::state::{Entry, Event, Kept, Phase, Row, State};

/// Promise 1: what is sold is there, and the ledger's count is what its rows say.
pub const NEVER_OVERSOLD: &str = "never oversold";
/// As long as nothing is rebuilt, no order is rejected: none is read before the room it uses. And
/// never one of a rebuilt sale: it sells what is there.
pub const NEVER_REJECTED: &str = "never rejected";
/// Promise 2: whatever was answered 202 can be found.
pub const NEVER_LOST: &str = "a 202 is never lost";
/// Promise 4: no unit is stranded and none comes out of nowhere.
pub const CONSERVED: &str = "units are conserved";
/// When nothing is under way any more, both counts of what is left agree.
pub const IN_STEP: &str = "Redis and ledger agree at rest";

/// All of them.
pub fn all() -> Vec<Property<Flow>> {
    vec![
        Property::always(NEVER_OVERSOLD, |_, state: &State| {
            let confirmed = state
                .ledger
                .rows
                .iter()
                .filter(|row| **row == Row::Confirmed);
            let sold = state.ledger.sold;
            sold <= state.ledger.total.cast_signed()
                && usize::try_from(sold) == Ok(confirmed.count())
        }),
        Property::always(NEVER_REJECTED, |_, state: &State| {
            let rejected = state.ledger.rows.iter().filter_map(|row| match row {
                Row::Rejected { epoch } => Some(*epoch),
                _ => None,
            });
            rejected
                .into_iter()
                .all(|epoch| epoch < state.ledger.fenced)
        }),
        Property::always(NEVER_LOST, |_, state: &State| {
            state.promised.iter().all(|order| {
                let is_it = |entry: &Entry| entry.event == Event::Order(*order);
                state.redis.outbox.iter().any(is_it)
                    || to_be_read(state).iter().any(is_it)
                    || state.ledger.rows[usize::from(*order)] != Row::None
            })
        }),
        Property::always(CONSERVED, |_, state: &State| {
            let redis = &state.redis;
            let taken = (0u8..)
                .zip(&redis.orders)
                .filter(|(order, kept)| match kept {
                    Kept::Unknown | Kept::Rejected => false,
                    Kept::Taken => true,
                    // The unit comes back when the cancel leaves the outbox.
                    Kept::Cancelled => {
                        let mut waiting = redis.outbox.iter();
                        waiting.any(|entry| entry.event == Event::Cancel(*order))
                    }
                });
            usize::from(redis.remaining) + taken.count() == usize::from(redis.total)
        }),
        Property::always(IN_STEP, |_, state: &State| {
            let sells = state.redis.phase == Phase::Selling;
            let at_rest = sells && state.redis.outbox.is_empty() && to_be_read(state).is_empty();
            let left = state.ledger.total.cast_signed() - state.ledger.sold;
            !at_rest || left == state.redis.remaining.cast_signed()
        }),
        // The model does what it is there for.
        Property::sometimes(
            "a unit that came back is sold again",
            |flow: &Flow, state: &State| {
                let rows = &state.ledger.rows;
                (flow.cancellable == 0 || rows.contains(&Row::Cancelled))
                    && rows.contains(&Row::Confirmed)
                    && state.ledger.restocked == flow.restock
            },
        ),
        Property::sometimes(
            "a rebuilt sale sells, and whoever slept through it does not",
            |flow: &Flow, state: &State| {
                let rows = &state.ledger.rows;
                let late = rows.iter().any(|row| matches!(row, Row::Rejected { .. }));
                !flow.rebuild || (state.redis.epoch == 2 && late && rows.contains(&Row::Confirmed))
            },
        ),
    ]
}

fn to_be_read(state: &State) -> &[Entry] {
    &state.log[state.ledger.position..]
}
