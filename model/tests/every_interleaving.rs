//! All interleavings within small bounds; takes no store.

use model::{CONSERVED, Flow, IN_STEP, Mistake, NEVER_LOST, NEVER_OVERSOLD, NEVER_REJECTED};
use stateright::{Checker, HasDiscoveries, Model};

const SMALL: Flow = Flow {
    units: 1,
    orders: 2,
    cancellable: 1,
    restock: false,
    rebuild: false,
    records_max: 4,
    mistake: None,
};

fn holds(flow: Flow) {
    let checker = flow.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn a_unit_that_is_taken_given_back_and_taken_again() {
    holds(SMALL);
}

#[test]
fn a_sold_out_sale_that_is_restocked() {
    holds(Flow {
        cancellable: 0,
        restock: true,
        ..SMALL
    });
}

/// Whoever slept through the rebuild still publishes an order, behind the fence.
const REBUILT: Flow = Flow {
    cancellable: 0,
    rebuild: true,
    ..SMALL
};

#[test]
fn a_sale_that_is_rebuilt_behind_a_fence() {
    holds(REBUILT);
}

#[test]
fn a_sale_that_is_rebuilt_while_a_unit_comes_back() {
    holds(Flow {
        cancellable: 1,
        ..REBUILT
    });
}

/// A broken rule breaks the promise that rests on it; the shortest way there is printed.
fn is_found(mistake: Mistake, promise: &'static str) {
    let flow = Flow {
        restock: true,
        ..SMALL
    };
    is_found_in(flow, mistake, promise);
}

fn is_found_in(flow: Flow, mistake: Mistake, promise: &'static str) {
    let wanted = HasDiscoveries::AnyOf([promise].into());
    let mistake = Some(mistake);
    let flow = Flow { mistake, ..flow };
    let checker = flow.checker().threads(2);
    let checker = checker.finish_when(wanted).spawn_bfs().join();
    let found = checker.discovery(promise);
    let steps = found.expect("the mistake is found").into_actions();
    println!("{mistake:?}: {steps:?}");
}

#[test]
fn an_order_without_an_outbox_entry_can_be_lost() {
    is_found(Mistake::NoOutboxEntry, NEVER_LOST);
}

#[test]
fn room_that_counts_before_it_is_on_kafka_rejects_an_order() {
    is_found(Mistake::RoomBeforeKafka, NEVER_REJECTED);
}

#[test]
fn an_entry_cleared_without_an_acknowledgement_can_be_lost() {
    is_found(Mistake::ClearedUnacknowledged, NEVER_LOST);
}

#[test]
fn an_effect_applied_twice_makes_units_out_of_nothing() {
    is_found(Mistake::EffectWithoutRemoval, CONSERVED);
}

#[test]
fn positions_committed_before_the_rows_lose_orders() {
    is_found(Mistake::PositionsBeforeRows, NEVER_LOST);
}

#[test]
fn a_zombie_that_ignores_the_positions_counts_twice() {
    is_found(Mistake::PositionsIgnored, NEVER_OVERSOLD);
}

#[test]
fn at_rest_a_lost_room_shows() {
    is_found(Mistake::EffectWithoutRemoval, IN_STEP);
}

#[test]
fn a_worker_that_ignores_the_fence_sells_a_unit_that_is_sold_again() {
    is_found_in(REBUILT, Mistake::FenceIgnored, IN_STEP);
}

#[test]
fn a_redis_that_is_filled_too_early_sells_what_is_sold() {
    is_found_in(REBUILT, Mistake::FilledTooEarly, NEVER_REJECTED);
}

#[test]
fn a_rebuild_that_does_not_drain_the_outbox_loses_orders() {
    is_found_in(REBUILT, Mistake::NotDrained, NEVER_LOST);
}
