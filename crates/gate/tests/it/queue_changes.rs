//! Queues whose rate is changed, and that are paused and passed.

use std::collections::HashMap;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{AdmitPerSecond, IdempotencyKey, QueueChangeId, QueueMode};
use fluxgate_domain::queue::{QueuePatch, Turn, TurnHistory};
use fluxgate_domain::records::QueueChangeRecord;
use fluxgate_gate::{
    Ack, Amendment, Change, ChangeContext, Pair, Part, QueueMark, QueuePhase, QueueView,
};
use fred::interfaces::HashesInterface;

use crate::fixture::{RedisSale, connect, number, outcome, redis};
use crate::queue_sale::{OUTBOX_MAX, TURN_MS, sale, served};

fn id(sale: &RedisSale, key: &str) -> QueueChangeId {
    QueueChangeId::derive(&sale.product, &IdempotencyKey::parse(key).unwrap())
}

fn rate(per_second: u32) -> QueuePatch {
    QueuePatch {
        admit_per_second: AdmitPerSecond::try_from(per_second).ok(),
        ..QueuePatch::default()
    }
}

fn paused(paused: bool) -> QueuePatch {
    QueuePatch {
        paused: Some(paused),
        ..QueuePatch::default()
    }
}

fn mode(mode: QueueMode) -> QueuePatch {
    QueuePatch {
        mode: Some(mode),
        ..QueuePatch::default()
    }
}

impl RedisSale {
    async fn try_change(&self, key: &str, patch: &QueuePatch) -> Change<QueueChangeRecord> {
        let context = self.context(number(0));
        let change = self.store.change_queue(context, id(self, key), patch);
        change.await.unwrap()
    }

    async fn change(&self, key: &str, patch: &QueuePatch) -> QueueChangeRecord {
        match self.try_change(key, patch).await {
            Change::Noted { change, .. } => change,
            other => panic!("{other:?}"),
        }
    }

    /// The queue twice, 300 ms apart.
    async fn pace_twice(&self) -> [QueueView; 2] {
        let before = self.pace(&QueueMark::default()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        [before, self.pace(&QueueMark::default()).await]
    }
}

fn settings(view: &QueueView) -> String {
    view.settings.to_string()
}

#[tokio::test]
async fn changes_add_up_count_at_once_and_each_counts_once() {
    let sale = sale(10, 5, 60_000).await;
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(
        (settings(&view), view.admit_per_second),
        ("- 0 queue".to_owned(), 5)
    );
    let first = sale.change("a", &paused(true)).await;
    let second = sale.change("b", &rate(7)).await;
    assert_eq!((first.number, second.number), (number(1), number(2)));
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(
        (settings(&view), view.admit_per_second),
        ("7 1 queue".to_owned(), 7)
    );
    let third = sale.change("c", &paused(false)).await;
    // An older change that is repeated does not come back.
    assert_eq!(sale.change("a", &paused(true)).await, first);
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(settings(&view), "7 0 queue");
    let sold = sale.store.sale(&sale.product).await.unwrap().unwrap();
    assert_eq!(sold.queue_change.as_deref(), Some(&third));
    assert_eq!(sold.number, number(3));

    let all = SequenceNumber::new(9, 0);
    let page = sale.store.read_outbox(&sale.keys, None, all, 10).await;
    let events = page.unwrap().events;
    let events: Vec<_> = events.iter().map(|it| it.event(&sale.product)).collect();
    let changed = [("a", first), ("b", second), ("c", third)];
    let expected = changed.map(|(key, record)| {
        let event = record.event(id(&sale, key), &sale.product);
        Some(Event::QueueChanged(event))
    });
    assert_eq!(events, expected);
    let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
    assert_eq!(snapshot.queue_change, Some(third));
    let records = sale.store.records(&sale.keys).await.unwrap();
    assert_eq!((records.queue_changes.len(), records.unreadable), (3, 0));
    let acks = [1, 2, 3].map(|it| Ack::Event(number(it).into()));
    assert_eq!(sale.ack(&acks).await, 3);
    let repeated = sale.try_change("b", &rate(7)).await;
    assert_eq!(outcome(repeated, |it| it.number), "recorded 2 false");
}

#[tokio::test]
async fn while_a_queue_is_paused_its_clock_stops_and_nobody_is_let_through() {
    let sale = sale(100, 20, 0).await;
    sale.start().await;
    sale.join(&QueueMark::default(), 0..90).await;
    let some = sale.pace_until(|view| served(view) > 0).await;
    sale.change("a", &paused(true)).await;
    let [before, after] = sale.pace_twice().await;
    assert!(after.settings.paused && after.phase == QueuePhase::Open);
    assert!(served(&before) >= served(&some));
    assert_eq!(
        (before.mark.clock_ms, served(&before)),
        (after.mark.clock_ms, served(&after))
    );
    sale.change("b", &paused(false)).await;
    let [_, later] = sale.pace_twice().await;
    assert!(later.mark.clock_ms > after.mark.clock_ms);
    assert!(served(&later) > served(&after));
    // The pause itself is not made up for.
    let most = later.mark.clock_ms * 20 / 1_000 + 1;
    assert!(served(&later) <= most, "{later:?}");
}

#[tokio::test]
async fn an_open_turn_lasts_while_the_queue_is_paused() {
    let sale = sale(100, 1_000, 0).await;
    sale.start().await;
    sale.join(&QueueMark::default(), 0..1).await;
    sale.pace_until(|view| served(view) == 1).await;
    sale.change("a", &paused(true)).await;
    let first = |view: QueueView| {
        let history = TurnHistory {
            points: view.points,
            clock_ms: view.mark.clock_ms,
            turn: view.turn,
        };
        let first = std::num::NonZeroU64::MIN;
        history.turn(fluxgate_domain::queue::QueuePosition::Late(first))
    };
    let [before, after] = sale.pace_twice().await;
    let (before, after) = (first(before), first(after));
    assert!(matches!(before, Turn::Open { left_ms } if left_ms <= TURN_MS));
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_clock_stops_while_orders_need_no_turns() {
    let sale = sale(100, 1_000, 0).await;
    sale.start().await;
    sale.join(&QueueMark::default(), 0..50).await;
    sale.change("a", &mode(QueueMode::Pass)).await;
    let [before, after] = sale.pace_twice().await;
    assert_eq!(settings(&after), "- 0 pass");
    assert_eq!(
        (before.mark.clock_ms, served(&before)),
        (after.mark.clock_ms, served(&after))
    );
    sale.change("b", &mode(QueueMode::Queue)).await;
    sale.pace_until(|view| served(view) == 50).await;
}

#[tokio::test]
async fn a_queue_is_served_at_the_rate_that_was_set_last() {
    let sale = sale(1_000_000, 1, 0).await;
    sale.start().await;
    for n in 0..4 {
        let people = n * 250..(n + 1) * 250;
        sale.join(&QueueMark::default(), people).await;
    }
    sale.change("a", &rate(1_000)).await;
    let [before, after] = sale.pace_twice().await;
    let due = after.mark.clock_ms - before.mark.clock_ms;
    assert!(due >= 250);
    assert!((served(&after) - served(&before)).abs_diff(due) <= 2);
}

#[tokio::test]
async fn a_change_of_no_queue_is_refused() {
    let plain = RedisSale::open(connect(), false, 10).await;
    assert_eq!(plain.try_change("a", &rate(1)).await, Change::NoQueue);
    let closed = sale(10, 1, 0).await;
    let earlier = closed.change("a", &rate(2)).await;
    closed.close(number(0)).await;
    assert_eq!(closed.try_change("b", &rate(3)).await, Change::Closed);
    assert_eq!(closed.change("a", &rate(2)).await, earlier);

    let sale = sale(10, 1, 0).await;
    let refused = async |high_water_mark, outbox_max| {
        let context = ChangeContext {
            high_water_mark,
            outbox_max,
            ..sale.context(number(0))
        };
        let (id, faster) = (id(&sale, "a"), rate(2));
        let change = sale.store.change_queue(context, id, &faster);
        change.await.unwrap()
    };
    assert_eq!(refused(number(1), OUTBOX_MAX).await, Change::Behind);
    assert_eq!(refused(number(0), 0).await, Change::OutboxFull);
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(settings(&view), "- 0 queue");
}

#[tokio::test]
async fn a_rebuilt_sale_has_the_settings_of_its_queue_again_and_knows_the_keys() {
    let sale = sale(10, 1, 60_000).await;
    let older = sale.change("a", &rate(9)).await;
    let last = sale.change("b", &paused(true)).await;
    let (product, keys) = (&sale.product, &sale.keys);
    let mut fields: HashMap<String, String> =
        redis().await.hgetall(keys.sale.clone()).await.unwrap();
    fields.insert("epoch".to_owned(), "2".to_owned());
    fields.insert("seq".to_owned(), "0".to_owned());
    let fields: Vec<Pair> = fields.into_iter().collect();
    let changes = [("a", older), ("b", last)];
    let changes = changes.map(|(key, record)| {
        let field = format!("queue:{}", id(&sale, key));
        (field, record.to_string())
    });
    let stopped = sale.store.stop(product, keys, "token".into()).await;
    let stopped = stopped.unwrap();
    assert_eq!(sale.try_change("c", &rate(3)).await, Change::Behind);
    stopped.empty(2, product).await.unwrap();
    stopped.fill(Part::Orders, &changes).await.unwrap();
    stopped.reopen(&fields).await.unwrap();

    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(settings(&view), "9 1 queue");
    assert_eq!(sale.change("a", &rate(9)).await, older);
    let next = sale.change("c", &paused(false)).await;
    assert_eq!(next.number, SequenceNumber::new(2, 1));
    assert!(next.number > last.number);
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(settings(&view), "9 0 queue");
}

#[tokio::test]
async fn an_amendment_leaves_what_a_change_has_set() {
    let sale = sale(10, 1, 60_000).await;
    sale.change("a", &rate(9)).await;
    assert_eq!(sale.ack_by_name().await, 1);
    let from = sale.store.sale(&sale.product).await.unwrap().unwrap().terms;
    let mut to = from;
    to.queue.as_mut().unwrap().admit_per_second = AdmitPerSecond::try_from(2).unwrap();
    let amended = sale.store.amend(&sale.keys, number(1), &from, &to).await;
    assert!(matches!(amended.unwrap(), Amendment::Amended { .. }));
    let view = sale.pace(&QueueMark::default()).await;
    assert_eq!(view.admit_per_second, 9);
}
