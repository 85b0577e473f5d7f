//! Joining a queue and serving it, by Redis's clock.

use std::time::Duration;

use fluxgate_domain::queue::{EARLY_END, QueueSecret};
use fluxgate_gate::{Join, QueueMark, QueuePhase, QueueRefusal};
use fred::interfaces::{HashesInterface, KeysInterface};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::fixture::{number, redis};
use crate::queue_sale::{OUTBOX_MAX, TURN_MS, late, sale, served};
use crate::sale_model::order;

#[tokio::test]
async fn a_holder_who_joins_before_the_start_is_counted_once() {
    let sale = sale(10, 1, 60_000).await;
    for _ in 0..2 {
        assert_eq!(sale.join(&QueueMark::default(), 0..200).await, Join::Early);
    }
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(
        (view.phase, view.mark.is_started),
        (QueuePhase::Scheduled, false)
    );
    assert!(
        (194..=206).contains(&view.mark.joined),
        "{}",
        view.mark.joined
    );
    assert_eq!(view.mark.served.served_below, 0);
}

#[tokio::test]
async fn a_holder_who_joins_after_the_start_gets_the_next_number() {
    let sale = sale(10, 1, 0).await;
    sale.start().await;
    assert_eq!(sale.join(&QueueMark::default(), 0..3).await, late(1));
    assert_eq!(sale.join(&QueueMark::default(), 3..4).await, late(4));
    assert_eq!(sale.pace(&QueueMark::default()).await.mark.late, 4);
}

#[tokio::test]
async fn who_joined_before_the_start_is_served_first() {
    let sale = sale(1_000, 1_000, 400).await;
    sale.join(&QueueMark::default(), 0..100).await;
    let view = sale.start().await;
    sale.join(&QueueMark::default(), 100..150).await;
    let half = sale
        .pace_until(|view| served(view) >= view.mark.joined / 2)
        .await;
    if half.mark.served.served_below < EARLY_END {
        assert_eq!(half.mark.served.served_late, 0);
    }
    let all = sale
        .pace_until(|view| view.mark.served.served_late == 50)
        .await;
    assert_eq!(all.mark.served.served_below, EARLY_END);
    assert_eq!(all.mark.joined, view.mark.joined);
}

#[tokio::test]
async fn the_pace_does_not_depend_on_how_many_instances_call() {
    let per_second = 2_000;
    for instances in [1, 8] {
        let sale = sale(1_000_000, per_second, 0).await;
        sale.start().await;
        for n in 0..40 {
            sale.join(&QueueMark::default(), n * 250..(n + 1) * 250)
                .await;
        }
        let first = sale.pace(&QueueMark::default()).await;
        let instance = async || {
            sale.pace_until(|view| view.mark.clock_ms >= first.mark.clock_ms + 1_500)
                .await
        };
        join_all((0..instances).map(|_| instance())).await;
        let last = sale.pace(&QueueMark::default()).await;
        let due = (last.mark.clock_ms - first.mark.clock_ms) * u64::from(per_second) / 1_000;
        let people = served(&last) - served(&first);
        assert!(
            people.abs_diff(due) <= 2,
            "{people} of {due}, {instances} instances"
        );
    }
}

#[tokio::test]
async fn no_more_people_are_let_through_than_overbook_allows() {
    let sale = sale(5, 10_000, 0).await;
    sale.start().await;
    sale.join(&QueueMark::default(), 0..100).await;
    // Twice the units, as long as nobody orders.
    let full = sale.pace_until(|view| served(view) >= 10).await;
    let later = sale
        .pace_until(|view| view.mark.clock_ms > full.mark.clock_ms + 300)
        .await;
    assert_eq!(served(&later), 10);
    // An order closes a turn, and takes a unit: 2 x 4 units, of which 9 turns are open.
    sale.reserve(&[order(0)], number(0)).await;
    let later = sale
        .pace_until(|view| view.mark.clock_ms > later.mark.clock_ms + 300)
        .await;
    assert_eq!(served(&later), 10);
    for user in 1..4 {
        sale.reserve(&[order(user)], number(0)).await;
    }
    // 2 x 1 unit, of which 6 turns are open: nobody, until turns end.
    let later = sale
        .pace_until(|view| view.mark.clock_ms > later.mark.clock_ms + 300)
        .await;
    assert_eq!((served(&later), later.remaining), (10, 1));
    let ended = QueueMark {
        clock_ms: later.mark.clock_ms + TURN_MS,
        ..QueueMark::default()
    };
    sale.pace(&ended).await;
    // Two for the unit that is left, and one for each of the four orders, which were placed within the last turn.
    let full = sale.pace_until(|view| served(view) >= 16).await;
    let later = sale
        .pace_until(|view| view.mark.clock_ms > full.mark.clock_ms + 300)
        .await;
    assert_eq!(served(&later), 16);
}

#[tokio::test]
async fn the_clock_stops_while_no_order_can_be_placed() {
    let sale = sale(1, 1_000, 0).await;
    sale.start().await;
    sale.join(&QueueMark::default(), 0..10).await;
    let stops = async |outbox_max| {
        let before = sale
            .try_pace(&QueueMark::default(), outbox_max)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let after = sale
            .try_pace(&QueueMark::default(), outbox_max)
            .await
            .unwrap();
        before.mark.clock_ms == after.mark.clock_ms
    };
    assert!(!stops(OUTBOX_MAX).await);
    assert!(stops(0).await, "the outbox is full");
    sale.reserve(&[order(0)], number(0)).await;
    assert!(stops(OUTBOX_MAX).await, "it is sold out");
    sale.restock(0, 1, number(0)).await;
    let redis = redis().await;
    let _: () = redis
        .hset(sale.keys.sale.clone(), ("remaining", 1))
        .await
        .unwrap();
    assert!(!stops(OUTBOX_MAX).await);
    sale.close(number(0)).await;
    assert!(stops(OUTBOX_MAX).await, "it is closed");
}

#[tokio::test]
async fn a_redis_that_was_away_moves_the_clock_by_a_second_at_most() {
    let sale = sale(10, 1, 0).await;
    let before = sale.start().await;
    let queue = sale.keys.queue.clone().unwrap();
    let hour_ago = before.seen_at.as_millisecond() - 3_600_000;
    let opened = Timestamp::from_millisecond(hour_ago).unwrap();
    let redis = redis().await;
    let _: () = redis
        .hset(queue.state, ("paced_at_ms", opened.as_millisecond()))
        .await
        .unwrap();
    let after = sale.pace(&QueueMark::default()).await;
    assert!(
        after.mark.clock_ms <= before.mark.clock_ms + 1_000,
        "{after:?}"
    );
}

#[tokio::test]
async fn a_turn_does_not_begin_again_when_the_queue_goes_on_after_a_stop() {
    let sale = sale(2, 10_000, 0).await;
    sale.start().await;
    sale.join(&QueueMark::default(), 0..100).await;
    let served_four = sale.pace_until(|view| served(view) == 4).await;
    let began_ms = served_four.points.last().unwrap().clock_ms;
    // Almost a turn later there is room again.
    let later = QueueMark {
        clock_ms: served_four.mark.clock_ms + TURN_MS,
        ..QueueMark::default()
    };
    sale.pace(&later).await;
    let view = sale.pace_until(|view| served(view) == 8).await;
    let first = view
        .points
        .iter()
        .find(|point| point.thresholds.served_late >= 4);
    assert_eq!(first.unwrap().clock_ms, began_ms, "{:?}", view.points);
}

#[tokio::test]
async fn a_ticket_is_bound_to_the_secret_of_the_sale() {
    let mut sale = sale(2, 1, 0).await;
    sale.start().await;
    sale.queue.as_mut().unwrap().secret = QueueSecret::new(&[1; 32]).unwrap().fingerprint();
    let joined = sale.join(&QueueMark::default(), 0..1).await;
    assert_eq!(joined, Join::Refused(QueueRefusal::Moved));
    let paced = sale.try_pace(&QueueMark::default(), OUTBOX_MAX).await;
    assert_eq!(paced.unwrap_err(), QueueRefusal::Moved);
}

#[tokio::test]
async fn points_span_a_turn_with_its_grace_and_are_few() {
    let sale = sale(1_000_000, 1_000, 0).await;
    let mut mark = sale.start().await.mark;
    for second in 1..=200 {
        let late = second * 10;
        sale.join(&QueueMark { late, ..mark }, 0..1).await;
        // The clock jumps, as if this instance had called for that long.
        mark.clock_ms += 1_000;
        mark.served.served_late = late;
        let view = sale.pace(&QueueMark { late, ..mark }).await;
        let span = view.mark.clock_ms - view.points[0].clock_ms;
        assert!(view.points.len() <= 66, "{} points", view.points.len());
        if second > 100 {
            assert!(
                span >= TURN_MS + 30_000,
                "the first point is older than a turn: {span}"
            );
            let second_point = view.points[1].clock_ms;
            assert!(view.mark.clock_ms - second_point < TURN_MS + 30_000);
        }
    }
}

#[tokio::test]
async fn a_lost_key_is_reported_and_not_written() {
    let redis = redis().await;
    let sale = sale(10, 1, 0).await;
    let queue = sale.keys.queue.clone().unwrap();
    for key in [queue.state, queue.joined] {
        let dump = sale.dump().await;
        let _: () = redis.del(key.clone()).await.unwrap();
        let joined = sale.join(&QueueMark::default(), 0..1).await;
        assert_eq!(joined, Join::Refused(QueueRefusal::Lost));
        let paced = sale.try_pace(&QueueMark::default(), OUTBOX_MAX).await;
        assert_eq!(paced.unwrap_err(), QueueRefusal::Lost);
        let exists: bool = redis.exists(key).await.unwrap();
        assert!(!exists);
        sale.roll_back(dump).await;
    }
}

#[tokio::test]
async fn a_sale_without_a_queue_has_none() {
    let mut sale = sale(10, 1, 0).await;
    let redis = redis().await;
    let _: () = redis.hdel(sale.keys.sale.clone(), "queue").await.unwrap();
    let joined = sale.join(&QueueMark::default(), 0..1).await;
    assert_eq!(joined, Join::Refused(QueueRefusal::Unknown));
    sale.opens_at = Timestamp::UNIX_EPOCH;
    let _: () = redis
        .hset(
            sale.keys.sale.clone(),
            ("queue", "0 0 1 60 2 0123456789abcdef"),
        )
        .await
        .unwrap();
    let joined = sale.join(&QueueMark::default(), 0..1).await;
    assert_eq!(joined, Join::Refused(QueueRefusal::Moved));
}
