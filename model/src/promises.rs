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
/// Once everything is written, Redis and the ledger have the same number of units left, and of completed orders.
pub const STORES_AGREE: &str = "Redis and ledger agree at rest";
/// An order whose completion was answered 200 keeps its unit until it is refunded.
pub const PAID_KEEPS_UNIT: &str = "a paid order keeps its unit";
/// No order expires before its grace has ended. So a completion before that finds the order held, and wins.
pub const GRACE_IS_KEPT: &str = "no order expires before its grace has ended";
/// No order expires if its completion was on the log when the page began; so none that was answered 200 before.
pub const COMPLETED_IS_KEPT: &str = "no order expires whose completion is on the log";

/// All properties.
pub fn all() -> Vec<Property<Flow>> {
    let mut all = Vec::from(of_orders());
    all.extend(of_units());
    all.extend(of_holds());
    all.extend(bounds());
    all
}

fn of_orders() -> [Property<Flow>; 2] {
    [
        Property::always(NEVER_REJECTED, |_, state: &State| {
            let rejected = state.ledger.rows.iter().filter_map(|row| match row {
                Row::Rejected { epoch } => Some(*epoch),
                _ => None,
            });
            // The ledger is the backstop of a Redis that sells although it has lost writes.
            state.fell_back()
                || rejected
                    .into_iter()
                    .all(|epoch| epoch < state.ledger.fenced)
        }),
        Property::always(NEVER_LOST, |_, state: &State| {
            state.promised.iter().all(|order| {
                is_known(state, Event::Order(*order))
                    || state.ledger.rows[usize::from(*order)] != Row::None
            })
        }),
    ]
}

fn of_units() -> [Property<Flow>; 3] {
    [
        Property::always(NEVER_OVERSOLD, |_, state: &State| {
            let with_unit = state.ledger.rows.iter().filter(|row| row.has_unit());
            let sold = state.ledger.sold;
            sold <= state.ledger.total.cast_signed()
                && usize::try_from(sold) == Ok(with_unit.count())
        }),
        Property::always(CONSERVED, |_, state: &State| {
            let redis = &state.redis;
            let (mut taken, mut completed) = (0, 0);
            for (order, record) in (0u8..).zip(&redis.orders) {
                // The unit comes back when the entry leaves the outbox.
                let waits = |event| redis.outbox.iter().any(|entry| entry.event == event);
                let (takes, counts_completed) = match record {
                    Record::None | Record::Rejected => (false, false),
                    Record::Placed => (true, false),
                    Record::Completed => (true, true),
                    Record::Expired => (waits(Event::Expiry(order)), false),
                    Record::Cancelled { refunded } => {
                        let waits = waits(Event::Cancel(order));
                        (waits, waits && *refunded)
                    }
                };
                taken += u8::from(takes);
                completed += u8::from(counts_completed);
            }
            redis.remaining + taken == redis.total && redis.completed == completed
        }),
        Property::always(STORES_AGREE, |_, state: &State| {
            let sells = state.redis.phase == Phase::Selling && !state.fell_back();
            let at_rest = sells && state.redis.outbox.is_empty() && state.unread().is_empty();
            let left = state.ledger.total.cast_signed() - state.ledger.sold;
            !at_rest
                || (left == state.redis.remaining.cast_signed()
                    && state.ledger.completed() == state.redis.completed)
        }),
    ]
}

fn of_holds() -> [Property<Flow>; 3] {
    [
        Property::always(PAID_KEEPS_UNIT, |_, state: &State| {
            state.paid.iter().all(|order| {
                let at = usize::from(*order);
                let is_kept = matches!(state.ledger.rows[at], Row::Completed | Row::Cancelled)
                    || is_known(state, Event::Completion(*order));
                let redis = &state.redis;
                let is_kept_in_redis = redis.phase != Phase::Selling
                    || state.fell_back()
                    || matches!(
                        redis.orders[at],
                        Record::Completed | Record::Cancelled { .. }
                    );
                is_kept && is_kept_in_redis
            })
        }),
        Property::always(GRACE_IS_KEPT, |_, state: &State| {
            let expired = (0u8..)
                .zip(&state.redis.orders)
                .filter(|(_, record)| **record == Record::Expired);
            expired
                .map(|(order, _)| order)
                .all(|order| state.grace_ended.contains(&order))
        }),
        Property::always(COMPLETED_IS_KEPT, |_, state: &State| {
            state.expired_completed.is_empty()
        }),
    ]
}

/// The bounds are wide enough for what the model is about.
fn bounds() -> [Property<Flow>; 4] {
    [
        Property::sometimes(
            "a unit that came back is sold again",
            |flow: &Flow, state: &State| {
                let rows = &state.ledger.rows;
                (flow.cancellable == 0 || rows.contains(&Row::Cancelled))
                    && (flow.held <= flow.cancellable || rows.contains(&Row::Expired))
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
        Property::sometimes(
            "a completion behind the expiry takes its unit again",
            |flow: &Flow, state: &State| {
                let mut both = state.redis.orders.iter().zip(&state.ledger.rows);
                !flow.failover || both.any(|it| it == (&Record::Expired, &Row::Completed))
            },
        ),
        Property::sometimes(
            "a completion behind the expiry finds no unit",
            |flow: &Flow, state: &State| {
                !flow.failover || state.ledger.rows.contains(&Row::PaidWithoutUnit)
            },
        ),
    ]
}

/// Whether an event waits in the outbox, or on the log.
fn is_known(state: &State, event: Event) -> bool {
    let is_it = |entry: &Entry| entry.event == event;
    state.redis.outbox.iter().any(is_it) || state.unread().iter().any(is_it)
}
