//! Every interleaving of a queue within small bounds. Needs no stores.

use model::queue::{
    CLOCK_STANDS, NEVER_BACK, NUMBERS_ARE_OWN, Queue, QueueMistake, SHOWN_IS_KEPT, START_IS_OVER,
};
use stateright::{Checker, HasDiscoveries, Model};

/// Two instances, one early place, and two people who join later.
const SMALL: Queue = Queue {
    instances: 2,
    early: 1,
    joins: 2,
    ticks: 3,
    failover: false,
    clock_set_back: false,
    kill: false,
    outbox_full: false,
    mistake: None,
};

/// The failover loses joins, the start, or how far the queue was served.
const FAILED_OVER: Queue = Queue {
    failover: true,
    ..SMALL
};

/// The replica's clock says that the sale has not started.
const SET_BACK: Queue = Queue {
    clock_set_back: true,
    ..FAILED_OVER
};

const FULL: Queue = Queue {
    outbox_full: true,
    ticks: 4,
    ..SMALL
};

fn holds(queue: Queue) {
    let checker = queue.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn a_queue_that_is_served_by_three_instances() {
    holds(Queue {
        instances: 3,
        ..SMALL
    });
}

#[test]
fn a_queue_whose_instance_dies() {
    holds(Queue {
        kill: true,
        ..SMALL
    });
}

#[test]
fn a_queue_whose_redis_loses_writes() {
    holds(FAILED_OVER);
    holds(Queue {
        instances: 3,
        early: 0,
        ..FAILED_OVER
    });
}

#[test]
fn a_queue_whose_redis_loses_writes_and_whose_instance_dies() {
    holds(Queue {
        kill: true,
        ticks: 2,
        joins: 1,
        ..FAILED_OVER
    });
}

#[test]
fn a_queue_whose_redis_loses_the_start_and_whose_clock_is_set_back() {
    holds(SET_BACK);
}

#[test]
fn a_queue_whose_outbox_is_full() {
    holds(FULL);
}

#[test]
fn a_queue_that_waits_to_start_when_its_redis_loses_writes_and_its_clock_is_set_back() {
    holds(Queue {
        outbox_full: true,
        ..SET_BACK
    });
}

/// Fails unless breaking a rule breaks the promise that rests on it. Prints the shortest path to it.
fn is_found_in(queue: Queue, mistake: QueueMistake, promise: &'static str) {
    let wanted = HasDiscoveries::AnyOf([promise].into());
    let mistake = Some(mistake);
    let queue = Queue { mistake, ..queue };
    let checker = queue.checker().threads(2);
    let checker = checker.finish_when(wanted).spawn_bfs().join();
    let found = checker.discovery(promise);
    let path = found.expect("the mistake is found").into_actions();
    println!("{mistake:?}: {path:?}");
}

#[test]
fn instances_that_do_not_bring_their_highest_lose_turns() {
    is_found_in(FAILED_OVER, QueueMistake::MarkNotBrought, SHOWN_IS_KEPT);
    is_found_in(FAILED_OVER, QueueMistake::MarkNotBrought, NEVER_BACK);
    is_found_in(FAILED_OVER, QueueMistake::MarkNotBrought, NUMBERS_ARE_OWN);
}

#[test]
fn a_start_that_is_not_remembered_gives_early_places() {
    is_found_in(SET_BACK, QueueMistake::StartNotBrought, START_IS_OVER);
}

#[test]
fn a_number_that_is_not_compared_is_given_twice() {
    is_found_in(
        FAILED_OVER,
        QueueMistake::NumberNotCompared,
        NUMBERS_ARE_OWN,
    );
}

#[test]
fn a_threshold_that_is_moved_without_the_highest_goes_back() {
    is_found_in(FAILED_OVER, QueueMistake::ThresholdsNotCompared, NEVER_BACK);
    is_found_in(
        FAILED_OVER,
        QueueMistake::ThresholdsNotCompared,
        SHOWN_IS_KEPT,
    );
}

#[test]
fn a_redis_that_does_not_keep_what_it_is_brought_never_has_it_back() {
    is_found_in(FAILED_OVER, QueueMistake::MarkNotKept, SHOWN_IS_KEPT);
}

#[test]
fn a_clock_that_every_call_moves_is_faster_with_more_instances() {
    is_found_in(SMALL, QueueMistake::EveryCallMoves, CLOCK_STANDS);
}

#[test]
fn a_clock_that_runs_while_the_outbox_is_full_uses_up_turns() {
    is_found_in(FULL, QueueMistake::ClockRunsWhileFull, CLOCK_STANDS);
}
