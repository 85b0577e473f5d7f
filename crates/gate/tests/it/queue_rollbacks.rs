//! Queues whose Redis loses writes.

use fluxgate_domain::queue::EARLY_END;
use fluxgate_gate::{Join, QueueMark};
use fred::interfaces::HashesInterface;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::fixture::redis;
use crate::queue_sale::{late, sale, served};

#[tokio::test]
async fn a_rollback_takes_nobodys_number() {
    let sale = sale(10, 1, 0).await;
    let mut mark = sale.start().await.mark;
    let dump = sale.dump().await;
    assert_eq!(sale.join(&mark, 0..5).await, late(1));
    mark.late = 5;
    sale.roll_back(dump).await;
    assert_eq!(sale.join(&mark, 5..6).await, late(6));
}

#[tokio::test]
async fn a_rollback_over_the_start_gives_nobody_an_early_place() {
    let sale = sale(10, 1, 500).await;
    sale.join(&QueueMark::default(), 0..20).await;
    let dump = sale.dump().await;
    let mark = sale.start().await.mark;
    sale.roll_back(dump).await;
    // As if Redis's clock were set back, too.
    let redis = redis().await;
    let in_an_hour = sale.opens_at.as_millisecond() + 3_600_000;
    let _: () = redis
        .hset(sale.keys.sale.clone(), ("opens_at", in_an_hour))
        .await
        .unwrap();
    let mut moved = sale;
    moved.opens_at = Timestamp::from_millisecond(in_an_hour).unwrap();
    assert_eq!(moved.join(&mark, 20..21).await, late(1));
    let unaware = moved.pace(&QueueMark::default()).await.mark;
    assert!(!unaware.is_started, "only who has seen the start knows");
    let aware = moved.pace(&mark).await.mark;
    assert_eq!((aware.is_started, aware.joined), (true, mark.joined));
    assert_eq!(moved.join(&QueueMark::default(), 21..22).await, late(2));
}

#[tokio::test]
async fn a_rollback_before_the_start_does_not_forget_how_many_joined() {
    let sale = sale(1, 1_000, 800).await;
    let dump = sale.dump().await;
    sale.join(&QueueMark::default(), 0..200).await;
    let mark = sale.pace(&QueueMark::default()).await.mark;
    assert!(!mark.is_started && mark.joined > 190, "{mark:?}");
    sale.roll_back(dump).await;
    let started = async || sale.pace(&mark).await.mark;
    while !started().await.is_started {}
    let view = started().await;
    assert_eq!(view.joined, mark.joined);
    // Two people for the one unit, not everybody.
    assert!(view.served.served_below < EARLY_END / 50, "{view:?}");
}

#[tokio::test]
async fn a_rollback_over_a_moved_threshold_takes_no_turn_away() {
    let sale = sale(100, 1_000, 0).await;
    sale.start().await;
    let dump = sale.dump().await;
    sale.join(&QueueMark::default(), 0..50).await;
    let moved = sale.pace_until(|view| served(view) == 50).await;
    sale.roll_back(dump).await;
    let after = sale.pace(&moved.mark).await;
    assert_eq!(after.mark.served, moved.mark.served);
    assert!(after.mark.clock_ms >= moved.mark.clock_ms);
    let last = after.points.last().unwrap();
    assert_eq!(last.thresholds, moved.mark.served);
    assert!(
        last.clock_ms >= moved.mark.clock_ms,
        "their turns begin again"
    );
}

/// What one of three instances does, or what happens to Redis.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Join(usize, u32),
    Pace(usize),
    Save,
    RollBack,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0_usize..3, 1_u32..4).prop_map(|(instance, people)| Operation::Join(instance, people)),
        4 => (0_usize..3).prop_map(Operation::Pace),
        1 => Just(Operation::Save),
        1 => Just(Operation::RollBack),
    ]
}

/// Many instances, and a Redis that loses writes: no number is given twice, and what an instance has seen never goes back. An
/// instance that has not seen what was lost may give a lost number again if it is the first to call, so the instances see
/// each other's numbers here, as they do within a quarter of a second.
async fn check(operations: Vec<Operation>) {
    let sale = sale(1_000, 1_000, 0).await;
    let mut marks = [sale.start().await.mark; 3];
    let mut given = 0;
    let mut saved = sale.dump().await;
    for operation in operations {
        match operation {
            Operation::Join(instance, people) => {
                let Join::Late { first } = sale.join(&marks[instance], 0..people).await else {
                    panic!("the start is over");
                };
                assert!(first > given, "{first} was given");
                given = first + u64::from(people) - 1;
                marks.iter_mut().for_each(|mark| mark.late = given);
            }
            Operation::Pace(instance) => {
                let before = marks[instance];
                let view = sale.pace(&before).await;
                let mut raised = view.mark;
                raised.raise(&before);
                assert_eq!(raised, view.mark, "nothing went back");
                let is_sorted = view.points.is_sorted_by_key(|point| {
                    (
                        point.clock_ms,
                        point.thresholds.served_below,
                        point.thresholds.served_late,
                    )
                });
                assert!(is_sorted, "{:?}", view.points);
                marks[instance] = view.mark;
            }
            Operation::Save => saved = sale.dump().await,
            Operation::RollBack => sale.roll_back(saved.clone()).await,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_number_is_given_twice_and_nothing_goes_back(operations in prop::collection::vec(operation(), 1..60)) {
        tokio::runtime::Runtime::new().unwrap().block_on(check(operations));
    }
}
