//! Every interleaving within small bounds. Needs no stores.

use model::{
    COMPLETED_IS_KEPT, CONSERVED, Flow, GRACE_IS_KEPT, Mistake, NEVER_LOST, NEVER_OVERSOLD,
    NEVER_REJECTED, PAID_KEEPS_UNIT, STORES_AGREE,
};
use stateright::{Checker, HasDiscoveries, Model};

const SMALL: Flow = Flow {
    units: 1,
    orders: 2,
    cancellable: 1,
    held: 0,
    clock_jumps: false,
    failover: false,
    workers: 2,
    together: false,
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
fn a_unit_that_is_sold_cancelled_and_sold_again() {
    holds(SMALL);
}

/// Both orders may come in one call.
const TOGETHER: Flow = Flow {
    units: 2,
    cancellable: 0,
    together: true,
    ..SMALL
};

#[test]
fn orders_that_share_an_outbox_entry_and_are_acknowledged_one_by_one() {
    holds(TOGETHER);
}

#[test]
fn a_sold_out_sale_that_is_restocked() {
    holds(Flow {
        cancellable: 0,
        restock: true,
        ..SMALL
    });
}

/// An instance that was frozen during the rebuild publishes an order behind the fence.
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

/// The first order is completed or expires.
const HELD: Flow = Flow {
    cancellable: 0,
    held: 1,
    ..SMALL
};

#[test]
fn an_order_that_is_completed_or_expires() {
    holds(HELD);
}

#[test]
fn an_order_that_is_completed_and_refunded() {
    holds(Flow {
        cancellable: 1,
        workers: 1,
        ..HELD
    });
}

const CLOCK_JUMPS: Flow = Flow {
    clock_jumps: true,
    workers: 1,
    ..HELD
};

#[test]
fn an_order_that_is_held_while_the_clock_jumps() {
    holds(CLOCK_JUMPS);
}

/// An instance that was frozen during the rebuild publishes a completion behind the fence.
const HELD_REBUILT: Flow = Flow {
    rebuild: true,
    workers: 1,
    ..HELD
};

#[test]
fn an_order_whose_hold_ends_while_the_sale_is_rebuilt() {
    holds(HELD_REBUILT);
}

/// The failover loses a completion, and the order expires.
const FAILED_OVER: Flow = Flow {
    failover: true,
    workers: 1,
    ..HELD
};

#[test]
fn an_order_whose_completion_is_lost_in_a_failover_before_the_sale_is_rebuilt() {
    holds(Flow {
        rebuild: true,
        ..FAILED_OVER
    });
}

/// Fails unless breaking a rule breaks the promise that rests on it. Prints the shortest path to it.
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
    let path = found.expect("the mistake is found").into_actions();
    println!("{mistake:?}: {path:?}");
}

#[test]
fn an_order_without_an_outbox_entry_can_be_lost() {
    is_found(Mistake::NoOutboxEntry, NEVER_LOST);
}

#[test]
fn a_cancel_applied_before_it_is_published_rejects_an_order() {
    is_found(Mistake::AppliedBeforePublished, NEVER_REJECTED);
}

#[test]
fn an_entry_acknowledged_before_it_is_published_can_be_lost() {
    is_found(Mistake::AcknowledgedUnpublished, NEVER_LOST);
}

#[test]
fn an_order_whose_entry_is_removed_with_another_can_be_lost() {
    is_found_in(TOGETHER, Mistake::SharedEntryRemoved, NEVER_LOST);
}

#[test]
fn an_effect_applied_twice_adds_units() {
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
fn an_effect_applied_twice_leaves_the_stores_in_disagreement() {
    is_found(Mistake::EffectWithoutRemoval, STORES_AGREE);
}

#[test]
fn a_worker_that_ignores_the_fence_sells_a_unit_that_is_sold_again() {
    is_found_in(REBUILT, Mistake::FenceIgnored, STORES_AGREE);
}

#[test]
fn a_redis_that_is_refilled_too_early_sells_units_again() {
    is_found_in(REBUILT, Mistake::RefilledTooEarly, NEVER_REJECTED);
}

#[test]
fn a_rebuild_that_discards_the_outbox_loses_orders() {
    is_found_in(REBUILT, Mistake::NotDrained, NEVER_LOST);
}

#[test]
fn a_completion_that_is_answered_before_its_row_can_be_lost() {
    is_found_in(HELD_REBUILT, Mistake::AnsweredBeforeRow, PAID_KEEPS_UNIT);
}

#[test]
fn a_worker_that_ignores_the_fence_completes_an_order_that_expires() {
    is_found_in(HELD_REBUILT, Mistake::FenceIgnored, PAID_KEEPS_UNIT);
}

#[test]
fn a_redis_that_is_refilled_too_early_lacks_completions() {
    is_found_in(HELD_REBUILT, Mistake::RefilledTooEarly, PAID_KEEPS_UNIT);
}

#[test]
fn an_expiry_without_a_high_water_mark_takes_a_completed_order() {
    is_found_in(FAILED_OVER, Mistake::ExpiredWithoutMark, COMPLETED_IS_KEPT);
}

#[test]
fn an_expiry_that_does_not_wait_for_the_worker_takes_a_completed_order() {
    is_found_in(FAILED_OVER, Mistake::PositionNotAwaited, COMPLETED_IS_KEPT);
}

#[test]
fn an_expiry_by_a_clock_that_has_jumped_is_too_early() {
    is_found_in(CLOCK_JUMPS, Mistake::ClocksNotCompared, GRACE_IS_KEPT);
}
