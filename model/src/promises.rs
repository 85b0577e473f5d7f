use stateright::Property;

use crate::Flow;
use crate::state::{Entry, Kept, Row, State};

/// Promise 1: what is sold is there, and the ledger's count is what its rows say.
pub const NEVER_OVERSOLD: &str = "never oversold";
/// As long as Redis loses nothing, no order is rejected: none is read before the room it uses.
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
            !state.ledger.rows.contains(&Row::Rejected)
        }),
        Property::always(NEVER_LOST, |_, state: &State| {
            state.promised.iter().all(|order| {
                let entry = Entry::Order(*order);
                state.redis.outbox.contains(&entry)
                    || to_be_read(state).contains(&entry)
                    || state.ledger.rows[usize::from(*order)] != Row::None
            })
        }),
        Property::always(CONSERVED, |_, state: &State| {
            let redis = &state.redis;
            let taken = (0u8..)
                .zip(&redis.orders)
                .filter(|(order, kept)| match kept {
                    Kept::Unknown => false,
                    Kept::Taken => true,
                    // The unit comes back when the cancel leaves the outbox.
                    Kept::Cancelled => redis.outbox.contains(&Entry::Cancel(*order)),
                });
            usize::from(redis.remaining) + taken.count() == usize::from(redis.total)
        }),
        Property::always(IN_STEP, |_, state: &State| {
            let at_rest = state.redis.outbox.is_empty() && to_be_read(state).is_empty();
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
    ]
}

fn to_be_read(state: &State) -> &[Entry] {
    &state.log[state.ledger.position..]
}
