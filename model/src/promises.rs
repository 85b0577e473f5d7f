//! What must hold in every state.

use stateright::Property;

use crate::Flow;
use crate::state::{Entry, Event, Phase, Record, Row, State};

/// Promise 1: no more units are sold than there are, and the ledger's count agrees with its rows.
pub const NEVER_OVERSOLD: &str = "never oversold";
/// Publish before apply: the ledger never reads an order before the event that made its unit available. Only orders of
/// epochs before a rebuild are rejected.
pub const NEVER_REJECTED: &str = "never rejected";
/// Promise 2: every order that was answered 202 is in the outbox, on the log or a row.
pub const NEVER_LOST: &str = "a 202 is never lost";
/// Promise 4: the units that are left and those of the orders add up to the total.
pub const CONSERVED: &str = "units are conserved";
/// Once everything is written, Redis and the ledger have the same number of units left.
pub const STORES_AGREE: &str = "Redis and ledger agree at rest";

/// All properties.
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
                let is_its_event = |entry: &Entry| entry.event == Event::Order(*order);
                state.redis.outbox.iter().any(is_its_event)
                    || unread(state).iter().any(is_its_event)
                    || state.ledger.rows[usize::from(*order)] != Row::None
            })
        }),
        Property::always(CONSERVED, |_, state: &State| {
            let redis = &state.redis;
            let taken = (0u8..)
                .zip(&redis.orders)
                .filter(|(order, record)| match record {
                    Record::None | Record::Rejected => false,
                    Record::Placed => true,
                    // The unit comes back when the cancel leaves the outbox.
                    Record::Cancelled => {
                        let mut entries = redis.outbox.iter();
                        entries.any(|entry| entry.event == Event::Cancel(*order))
                    }
                });
            usize::from(redis.remaining) + taken.count() == usize::from(redis.total)
        }),
        Property::always(STORES_AGREE, |_, state: &State| {
            let sells = state.redis.phase == Phase::Selling;
            let at_rest = sells && state.redis.outbox.is_empty() && unread(state).is_empty();
            let left = state.ledger.total.cast_signed() - state.ledger.sold;
            !at_rest || left == state.redis.remaining.cast_signed()
        }),
        // The bounds are wide enough for what the model is about.
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
            "a rebuilt sale sells, and an order of the epoch before is rejected",
            |flow: &Flow, state: &State| {
                let rows = &state.ledger.rows;
                let late = rows.iter().any(|row| matches!(row, Row::Rejected { .. }));
                !flow.rebuild || (state.redis.epoch == 2 && late && rows.contains(&Row::Confirmed))
            },
        ),
    ]
}

fn unread(state: &State) -> &[Entry] {
    &state.log[state.ledger.position..]
}
