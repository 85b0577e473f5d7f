//! Outbox entries that the orders of a call share.

use std::ops::Range;

use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{Ack, Answer, GateError, LossContinuation, OutboxEntry, Reservation, SaleAcks};
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface, StreamsInterface};
use fred::types::config::Config;
use fred::types::{ClusterHash, CustomCommand};

use crate::fixture::{RedisSale, connect, connect_to, number, outcomes, redis_url};
use crate::own_redis::OwnRedis;
use crate::sale_model::{OrderCall, order};

async fn sale() -> RedisSale {
    RedisSale::open(connect(), true, 1_000).await
}

/// Takes units for orders of these users in one call.
async fn reserve(sale: &RedisSale, users: Range<u8>) -> Vec<String> {
    let orders: Vec<_> = users.map(order).collect();
    sale.reserve(&orders, number(0)).await
}

async fn client() -> Client {
    let redis = Client::new(Config::from_url(&redis_url()).unwrap(), None, None, None);
    redis.init().await.unwrap();
    redis
}

/// Entries in the outbox, and marks of orders that are acknowledged without the others of their entry.
async fn entries_and_marks(sale: &RedisSale) -> (u64, Vec<String>) {
    let redis = client().await;
    let entries = redis.xlen(sale.keys.outbox.clone()).await.unwrap();
    let fields: Vec<String> = redis.hkeys(sale.keys.sale.clone()).await.unwrap();
    let mut marks = Vec::new();
    for field in fields
        .into_iter()
        .filter(|field| field.starts_with("acked:"))
    {
        let key = sale.keys.sale.clone();
        let mark: String = redis.hget(key, field.as_str()).await.unwrap();
        marks.push(format!("{field} {mark}"));
    }
    (entries, marks)
}

/// The numbers of the events that are read from the outbox in pages of `limit`, page by page.
async fn pages(sale: &RedisSale, limit: u32) -> Vec<Vec<u32>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let read = sale
            .store
            .read_outbox(&sale.keys, after, number(u32::MAX), limit);
        let events = read.await.unwrap().events;
        let Some(last) = events.last() else {
            return pages;
        };
        after = Some(last.number);
        pages.push(events.iter().map(|event| event.number.sequence).collect());
    }
}

/// The entry of the first orders of a sale.
fn first_entry(events: u8) -> OutboxEntry {
    let id = number(1);
    OutboxEntry { id, events }
}

#[tokio::test]
async fn an_order_waits_until_it_is_acknowledged_and_the_entry_until_all_are() {
    let sale = sale().await;
    reserve(&sale, 1..4).await;
    assert_eq!(sale.ack(&[Ack::Event(number(2).into())]).await, 0);
    let replays = reserve(&sale, 1..4).await;
    assert_eq!(replays, ["known 1 true", "known 2 false", "known 3 true"]);
    for user in 1..4 {
        let (id, _) = sale.order_id(user, 0);
        let waits = sale
            .store
            .is_waiting(id, &sale.product, number(user.into()));
        assert_eq!(waits.await.unwrap(), user != 2);
    }
    assert_eq!(pages(&sale, 10).await, [[1, 3]]);
    assert_eq!(
        entries_and_marks(&sale).await,
        (1, vec!["acked:1-1 010".into()])
    );

    assert_eq!(
        sale.ack(&[3, 3, 1].map(|it| Ack::Event(number(it).into())))
            .await,
        1
    );
    assert_eq!(entries_and_marks(&sale).await, (0, vec![]));
    assert_eq!(
        reserve(&sale, 1..3).await,
        ["known 1 false", "known 2 false"]
    );
}

#[tokio::test]
async fn an_entry_that_is_acknowledged_as_a_whole_takes_its_mark_along() {
    let sale = sale().await;
    reserve(&sale, 1..4).await;
    reserve(&sale, 4..6).await;
    sale.ack(&[Ack::Event(number(1).into()), Ack::Event(number(5).into())])
        .await;
    let entry = first_entry(3);
    for removed in [1, 0] {
        assert_eq!(sale.ack(&[Ack::Entry(entry)]).await, removed);
        assert_eq!(
            entries_and_marks(&sale).await,
            (1, vec!["acked:1-4 01".into()])
        );
    }
    assert_eq!(
        reserve(&sale, 4..6).await,
        ["known 4 true", "known 5 false"]
    );
}

#[tokio::test]
async fn an_order_that_is_taken_alone_has_an_entry_of_its_own() {
    let sale = sale().await;
    let entries = async |users: Range<u8>| {
        let orders: Vec<_> = users.map(order).collect();
        let requests = sale.requests(&orders, number(0));
        let answers = sale.store.reserve(&requests.sale, requests.requests).await;
        let entry = |answer: Result<Answer, GateError>| match answer.map(|it| it.reservation) {
            Ok(Reservation::Reserved { entry, .. }) => Some((entry.id.sequence, entry.events)),
            _ => None,
        };
        answers.unwrap().into_iter().map(entry).collect::<Vec<_>>()
    };
    assert_eq!(entries(1..2).await, [Some((1, 1))]);
    assert_eq!(entries(1..3).await, [None, Some((2, 1))]);
    assert_eq!(entries(2..5).await, [None, Some((3, 2)), Some((3, 2))]);
    let page = sale
        .store
        .read_outbox(&sale.keys, None, number(9), 10)
        .await;
    let read = page
        .unwrap()
        .events
        .into_iter()
        .map(|event| event.entry.events);
    assert_eq!(read.collect::<Vec<_>>(), [1, 1, 2, 2]);
}

#[tokio::test]
async fn an_entry_has_no_orders_of_the_next_epoch() {
    let sale = sale().await;
    reserve(&sale, 1..4).await;
    let lost = sale.store.continue_after_loss(&sale.keys, number(100));
    assert_eq!(lost.await.unwrap(), LossContinuation::Began);
    assert_eq!(reserve(&sale, 4..5).await, ["reserved 1"]);
    let next = SequenceNumber::new(2, 1);
    assert_eq!(sale.ack(&[Ack::Event(next.into())]).await, 1);
    assert_eq!(reserve(&sale, 4..5).await, ["known 1 false"]);
    assert_eq!(sale.ack(&[Ack::Event(next.into())]).await, 0);
    assert_eq!(entries_and_marks(&sale).await, (1, vec![]));
}

#[tokio::test]
async fn a_page_has_whole_entries() {
    let sale = sale().await;
    for users in [1..2, 2..5, 5..8, 8..9] {
        reserve(&sale, users).await;
    }
    for (limit, expected) in [
        (1, &[&[1][..], &[2, 3, 4], &[5, 6, 7], &[8]][..]),
        (2, &[&[1, 2, 3, 4], &[5, 6, 7], &[8]]),
        (4, &[&[1, 2, 3, 4], &[5, 6, 7, 8]]),
        (500, &[&[1, 2, 3, 4, 5, 6, 7, 8]]),
    ] {
        assert_eq!(pages(&sale, limit).await, expected);
    }
    let until = sale
        .store
        .read_outbox(&sale.keys, None, number(4), 500)
        .await;
    let last = until.unwrap().events.last().map(|event| event.number);
    assert_eq!(last, Some(number(4)));
}

#[tokio::test]
async fn an_audit_reads_pages_that_end_behind_their_limit() {
    let sale = RedisSale::open(connect(), true, 2_000).await;
    // A page of 500 has 501 of them.
    for key in 0..4 {
        for first in (0..255).step_by(3) {
            let orders = [first, first + 1, first + 2].map(|user| OrderCall { key, ..order(user) });
            sale.reserve(&orders, number(0)).await;
        }
    }
    let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
    assert_eq!((snapshot.waiting, snapshot.orders.len()), (340, 1_020));
    assert!(snapshot.holds(number(1_020)));
}

#[tokio::test]
async fn sales_share_a_call_and_a_damaged_outbox_fails_alone() {
    let sales = [sale().await, sale().await, sale().await];
    for sale in &sales {
        reserve(sale, 1..4).await;
    }
    let outbox = sales[1].keys.outbox.clone();
    let redis = client().await;
    redis
        .set::<(), _, _>(outbox, "no stream", None, None, false)
        .await
        .unwrap();
    let entry = first_entry(3);
    let acks = [
        vec![Ack::Entry(entry)],
        vec![Ack::Entry(entry)],
        [1, 2, 3].map(|it| Ack::Event(number(it).into())).to_vec(),
    ];
    let calls = sales.iter().zip(&acks);
    let calls = calls.map(|(RedisSale { keys, .. }, acks)| SaleAcks { keys, acks });
    let calls: Vec<_> = calls.collect();
    let removed = sales[0].store.ack_all(&calls).await.unwrap();
    assert_eq!(*removed[0].as_ref().unwrap(), 1);
    assert!(removed[1].as_ref().unwrap_err().is_damage());
    assert_eq!(*removed[2].as_ref().unwrap(), 1);
}

#[tokio::test]
async fn a_mark_does_not_bring_a_lost_sale_back() {
    let sale = sale().await;
    reserve(&sale, 1..3).await;
    let redis = client().await;
    redis.del::<(), _>(sale.keys.sale.clone()).await.unwrap();
    assert_eq!(sale.ack(&[Ack::Event(number(1).into())]).await, 0);
    assert_eq!(
        redis.exists::<u8, _>(sale.keys.sale.clone()).await.unwrap(),
        0
    );
}

async fn limit_memory(redis: &Client, bytes: &str) {
    let command = CustomCommand::new_static("CONFIG", ClusterHash::Random, false);
    let arguments = vec!["SET", "maxmemory", bytes];
    redis.custom::<(), _>(command, arguments).await.unwrap();
}

#[tokio::test]
async fn without_memory_nothing_is_taken_or_marked_and_whole_entries_are_removed() {
    let own = OwnRedis::start();
    let store = connect_to(own.url(), 5_000);
    store.now().await.unwrap();
    let sale = RedisSale::open(store, true, 10).await;
    reserve(&sale, 1..3).await;
    let redis = own.client().await;
    limit_memory(&redis, "1").await;

    let requests = sale.requests(&[order(3), order(4)], number(0));
    let refused = sale.store.reserve(&requests.sale, requests.requests).await;
    assert_eq!(refused.unwrap_err().kind(), "out_of_memory");
    let (keys, acks) = (&sale.keys, &[Ack::Event(number(1).into())]);
    let mut acked = sale
        .store
        .ack_all(&[SaleAcks { keys, acks }])
        .await
        .unwrap();
    assert_eq!(acked.remove(0).unwrap_err().kind(), "out_of_memory");
    let entry = first_entry(2);
    assert_eq!(sale.ack(&[Ack::Entry(entry)]).await, 1);

    limit_memory(&redis, "0").await;
    let requests = sale.requests(&[order(3), order(1)], number(0));
    let answers = sale.store.reserve(&requests.sale, requests.requests).await;
    assert_eq!(outcomes(answers.unwrap()), ["reserved 3", "known 1 false"]);
}
