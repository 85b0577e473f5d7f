use super::*;
use crate::pacer::Schedule;
use crate::rehearsal::attempt::Words;
use crate::rehearsal::heard::{Failed, Notes};

#[test]
fn a_death_that_caught_no_request_shows_nothing() {
    let (none, in_flight, too_late, repeated, left) = (
        Failures::default(),
        failures(|it| it.in_flight = 2),
        failures(|it| it.too_late = 1),
        failures(|it| it.repeated = 2),
        failures(|it| (it.in_flight, it.repeated, it.left) = (1, 1, 1)),
    );
    let explained =
        |repeat: Repeat| [none, in_flight, too_late, repeated, left].map(|it| repeat.explains(it));
    assert_eq!(
        explained(Repeat::Unsent),
        [false, true, false, false, false]
    );
    assert_eq!(explained(Repeat::All), [false, false, false, true, false]);
}

fn failures(change: impl FnOnce(&mut Failures)) -> Failures {
    let mut failures = Failures::default();
    change(&mut failures);
    failures
}

#[test]
fn every_order_and_every_failed_try_is_in_a_phase() {
    let schedule = Schedule {
        start: std::time::Instant::now(),
        per_second: 1_000,
        count: 10,
    };
    // One try failed long after the last order was due, and no order was ever answered.
    let notes = Notes {
        told: Vec::new(),
        failed: vec![Failed {
            order: 9,
            first: true,
            done_us: 5_000_000,
            failure: Failure::TimedOut,
        }],
    };
    let sending = Duration::from_millis(9);
    let heard = Heard::new(schedule, 10, sending, [notes], Words::default());
    let phases = [0..4_000, 4_000..u64::MAX].map(|it| phase(&heard, String::new(), it));
    assert_eq!(phases.each_ref().map(|it| it.orders), [4, 6]);
    assert!(phases[0].failed.is_empty());
    assert_eq!(phases[1].failed[&Failure::TimedOut], 1);
}
