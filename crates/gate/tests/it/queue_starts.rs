//! The start of a queue, a numbered change of its sale.

use std::collections::HashMap;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::Overbook;
use fluxgate_domain::records::QueueStartRecord;
use fluxgate_gate::{
    Ack, Amendment, Join, LossContinuation, Pair, QueueMark, QueuePhase, QueueRefusal, QueueView,
};
use fred::interfaces::{HashesInterface, KeysInterface};
use futures_util::future::join_all;

use crate::fixture::{RedisSale, number, redis};
use crate::queue_sale::{OUTBOX_MAX, late, sale, served};
use crate::sale_model::order;

impl RedisSale {
    /// Rebuilds the sale in epoch 2, with what a rebuild restores of the queue.
    async fn rebuild(&self, start: Option<QueueStartRecord>) {
        let (product, keys) = (&self.product, &self.keys);
        let mut fields: HashMap<String, String> =
            redis().await.hgetall(keys.sale.clone()).await.unwrap();
        fields.insert("epoch".to_owned(), "2".to_owned());
        fields.insert("seq".to_owned(), "0".to_owned());
        fields.remove("queue_started");
        fields.extend(start.map(|start| ("queue_started".to_owned(), start.to_string())));
        let fields: Vec<Pair> = fields.into_iter().collect();
        let stopped = self.store.stop(product, keys, "token".into()).await;
        let stopped = stopped.unwrap();
        stopped.empty(2, product).await.unwrap();
        stopped.reopen(&fields).await.unwrap();
    }

    async fn waiting(&self) -> Vec<Option<Event>> {
        let all = SequenceNumber::new(9, 0);
        let page = self.store.read_outbox(&self.keys, None, all, 10).await;
        let events = page.unwrap().events;
        events.iter().map(|it| it.event(&self.product)).collect()
    }
}

fn start_of(view: &QueueView) -> QueueStartRecord {
    view.start.expect("a queue that has started")
}

#[tokio::test]
async fn however_many_instances_call_a_queue_starts_once_and_takes_one_number() {
    let sale = sale(10, 1, 1_000).await;
    sale.join(&QueueMark::default(), 0..50).await;
    let before = sale.pace(&QueueMark::default()).await;
    assert_eq!((before.start, before.starts_now), (None, false));
    let instance = async || {
        let mut starts = 0;
        loop {
            let view = sale.pace(&QueueMark::default()).await;
            starts += u32::from(view.starts_now);
            if view.mark.clock_ms > 100 {
                return (starts, start_of(&view));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = join_all((0..8).map(|_| instance())).await;
    assert_eq!(seen.iter().map(|(starts, _)| starts).sum::<u32>(), 1);
    let start = seen[0].1;
    assert!(seen.iter().all(|(_, it)| *it == start));
    assert_eq!(
        (start.number, start.joined),
        (number(1), before.mark.joined)
    );
    // Redis has both in whole milliseconds.
    assert!(start.at.as_millisecond() >= sale.opens_at.as_millisecond());

    let event = Event::QueueStarted(start.event(&sale.product));
    assert_eq!(sale.waiting().await, [Some(event)]);
    let records = sale.store.records(&sale.keys).await.unwrap();
    assert_eq!((records.queue_start, records.unreadable), (Some(start), 0));
    let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
    assert_eq!(snapshot.queue_start, Some(start));
    assert!(snapshot.holds(number(1)));
    assert_eq!(sale.ack(&[Ack::Event(number(1).into())]).await, 1);
    assert_eq!(sale.reserve(&[order(0)], number(1)).await, ["reserved 2"]);
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!((view.start, view.starts_now), (Some(start), false));
}

#[tokio::test]
async fn a_queue_waits_to_start_while_the_outbox_is_full() {
    let sale = sale(10, 1_000, 1_000).await;
    sale.join(&QueueMark::default(), 0..50).await;
    let is_open = async || {
        let full = sale.try_pace(&QueueMark::default(), 0).await.unwrap();
        full.phase == QueuePhase::Open
    };
    while !is_open().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let full = sale.try_pace(&QueueMark::default(), 0).await.unwrap();
    assert_eq!((full.start, full.starts_now), (None, false));
    assert_eq!((full.mark.is_started, full.mark.clock_ms), (false, 0));
    assert_eq!(served(&full), 0);
    assert_eq!(sale.join(&QueueMark::default(), 50..51).await, late(1));
    let view = sale.pace(&QueueMark::default()).await;
    assert!(view.starts_now && view.mark.is_started);
    assert_eq!(start_of(&view).joined, full.mark.joined);
    sale.pace_until(|view| view.mark.clock_ms > 0 && served(view) > 0)
        .await;
    assert_eq!(sale.waiting().await.len(), 1);
}

#[tokio::test]
async fn a_redis_that_is_behind_starts_no_queue_and_a_closed_sale_has_none_to_start() {
    let behind = sale(10, 1, 0).await;
    let mark = QueueMark::default();
    let view = behind.pace_above(&mark, number(1), OUTBOX_MAX).await;
    let view = view.unwrap();
    assert!(view.is_behind && view.start.is_none() && !view.mark.is_started);
    let closed = sale(10, 1, 0).await;
    closed.close(number(0)).await;
    let view = closed.pace(&QueueMark::default()).await;
    assert_eq!((view.start, view.mark.is_started), (None, false));
}

#[tokio::test]
async fn a_queue_whose_outbox_is_lost_does_not_start() {
    let sale = sale(10, 1, 0).await;
    let (redis, outbox) = (redis().await, sale.keys.outbox.clone());
    let _: () = redis.del(outbox.clone()).await.unwrap();
    let paced = sale.try_pace(&QueueMark::default(), OUTBOX_MAX).await;
    assert_eq!(paced.unwrap_err(), QueueRefusal::Lost);
    let exists: bool = redis.exists(outbox).await.unwrap();
    assert!(!exists);
}

#[tokio::test]
async fn a_sale_whose_queue_has_started_is_not_amended() {
    let sale = sale(10, 1, 0).await;
    sale.start().await;
    assert_eq!(sale.ack_by_name().await, 1);
    let from = sale.store.sale(&sale.product).await.unwrap().unwrap().terms;
    let mut to = from;
    to.queue.as_mut().unwrap().overbook = Overbook::try_from(1).ok();
    let amended = sale.store.amend(&sale.keys, number(1), &from, &to).await;
    assert_eq!(amended.unwrap(), Amendment::Ordered);
}

#[tokio::test]
async fn a_rebuild_after_a_rollback_over_the_start_restores_it() {
    let sale = sale(10, 1, 1_000).await;
    sale.join(&QueueMark::default(), 0..50).await;
    let dump = sale.dump().await;
    let started = sale.start().await;
    sale.roll_back(dump).await;
    // An instance that has seen its number sells nothing, and knows that the queue has started.
    let behind = sale.pace_above(&started.mark, number(1), OUTBOX_MAX).await;
    let behind = behind.unwrap();
    assert!(behind.is_behind && behind.mark.is_started && behind.start.is_none());
    assert_eq!(behind.mark.joined, started.mark.joined);
    sale.rebuild(started.start).await;

    // No instance remembers.
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!((view.start, view.starts_now), (started.start, false));
    let QueueMark {
        joined, is_started, ..
    } = view.mark;
    assert_eq!((joined, is_started), (started.mark.joined, true));
    assert_eq!(sale.join(&QueueMark::default(), 50..51).await, late(1));
    assert_eq!(sale.waiting().await, []);
}

#[tokio::test]
async fn a_rebuild_keeps_how_far_a_queue_has_come_even_if_no_instance_remembers_it() {
    let sale = sale(10, 100, 1_000).await;
    sale.join(&QueueMark::default(), 0..50).await;
    let started = sale.start().await;
    assert_eq!(sale.join(&QueueMark::default(), 50..53).await, late(1));
    let served = sale
        .pace_until(|view| view.mark.served.served_below > 0)
        .await;
    sale.rebuild(started.start).await;

    let view = sale.pace(&QueueMark::default()).await;
    assert!(view.mark.served.served_below >= served.mark.served.served_below);
    assert!(view.mark.clock_ms >= served.mark.clock_ms);
    assert_eq!(view.mark.joined, started.mark.joined);
    assert_eq!(sale.join(&QueueMark::default(), 53..54).await, late(4));
}

#[tokio::test]
async fn a_rebuild_before_the_start_keeps_who_has_joined() {
    let sale = sale(10, 1, 2_000).await;
    sale.join(&QueueMark::default(), 0..50).await;
    sale.rebuild(None).await;
    assert_eq!(sale.join(&QueueMark::default(), 50..80).await, Join::Early);
    // HyperLogLog counts so few exactly.
    assert_eq!(sale.start().await.mark.joined, 80);
}

#[tokio::test]
async fn a_start_that_no_store_has_any_more_is_written_again_by_an_instance_that_remembers_it() {
    let sale = sale(10, 1, 1_000).await;
    sale.join(&QueueMark::default(), 0..50).await;
    let started = sale.start().await;
    sale.rebuild(None).await;
    let view = sale.pace(&started.mark).await;
    let again = start_of(&view);
    assert!(view.starts_now);
    assert_eq!(again.number, SequenceNumber::new(2, 1));
    assert_eq!(again.joined, start_of(&started).joined);
    let event = Event::QueueStarted(again.event(&sale.product));
    assert_eq!(sale.waiting().await, [Some(event)]);
}

#[tokio::test]
async fn a_sale_that_continues_without_its_start_starts_again_under_a_higher_number() {
    let sale = sale(10, 1, 1_000).await;
    let dump = sale.dump().await;
    assert_eq!(sale.join(&QueueMark::default(), 0..50).await, Join::Early);
    let started = sale.start().await;
    sale.roll_back(dump).await;
    let continued = sale.store.continue_after_loss(&sale.keys, number(1)).await;
    assert_eq!(continued.unwrap(), LossContinuation::Began);
    // One that remembers nothing calls first: it counts nobody. The next one brings the larger count.
    let unaware = sale.pace(&QueueMark::default()).await;
    let again = start_of(&unaware);
    assert_eq!((again.number.epoch, again.joined), (2, 0));
    assert!(again.number > start_of(&started).number);
    let aware = sale.pace(&started.mark).await;
    assert_eq!((aware.start, aware.starts_now), (Some(again), false));
    let later = sale.pace(&QueueMark::default()).await;
    assert_eq!(later.mark.joined, started.mark.joined);
}
