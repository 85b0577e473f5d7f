//! The keys of a sale with a queue.

use std::time::Duration;

use fluxgate_domain::Terms;
use fluxgate_domain::ids::Overbook;
use fluxgate_gate::{Ack, Acked, Amendment, QueueKeys, Retirement, SaleView};
use fred::clients::Client;
use fred::interfaces::{HashesInterface, KeysInterface, LuaInterface};
use fred::types::Key;

use crate::fixture::{RedisSale, connect, number, redis};
use crate::sale_model::order;

impl RedisSale {
    /// The sale with a queue.
    pub fn with_queue(mut self) -> Self {
        let terms = format!(
            r#"{{"quantity":1,"queue":{{"joinUntil":"2030-01-01T00:00:00Z","admitPerSecond":50,"secret":"0123456789abcdef","seedSha256":"{}"}}}}"#,
            "5a".repeat(32)
        );
        self.queue = Terms::read(&terms).unwrap().queue;
        self.keys = self.keys_of_terms();
        self
    }

    /// An open sale of ten units with a queue.
    async fn queued() -> Self {
        let sale = Self::new(connect(), false).await.with_queue();
        sale.claim_and_open(10).await;
        sale
    }

    fn queue_keys(&self) -> QueueKeys {
        self.keys.queue.clone().expect("a sale with a queue")
    }

    async fn view(&self) -> SaleView {
        let view = self.store.sale(&self.product).await.unwrap();
        view.expect("Redis has the sale")
    }

    /// Amends the sale to take other turns.
    async fn overbook(&self, overbook: u32) -> Amendment {
        let from = self.view().await.terms;
        let mut to = from;
        to.queue.as_mut().expect("terms of a queue").overbook = Overbook::try_from(overbook).ok();
        let amended = self.store.amend(&self.keys, number(0), &from, &to);
        amended.await.unwrap()
    }
}

async fn field(redis: &Client, sale: &RedisSale) -> Option<String> {
    redis.hget(sale.keys.sale.clone(), "queue").await.unwrap()
}

/// How many have joined.
async fn joined(redis: &Client, sale: &RedisSale) -> u64 {
    let joined = vec![sale.queue_keys().joined];
    let count = "return redis.call('PFCOUNT', KEYS[1])";
    redis.eval(count, joined, ()).await.unwrap()
}

async fn join(redis: &Client, sale: &RedisSale) {
    let joined = vec![sale.queue_keys().joined];
    let add = "return redis.call('PFADD', KEYS[1], ARGV[1])";
    let added: i64 = redis.eval(add, joined, vec!["somebody"]).await.unwrap();
    assert_eq!(added, 1);
}

async fn lose(redis: &Client, key: &Key) {
    assert_eq!(redis.del::<i64, _>(key.clone()).await.unwrap(), 1);
}

async fn count(redis: &Client, keys: &[Key]) -> u64 {
    redis.exists(keys.to_vec()).await.unwrap()
}

#[tokio::test]
async fn the_keys_of_a_queue_exist_from_the_opening_on() {
    let redis = redis().await;
    for (sale, keys) in [
        (RedisSale::new(connect(), false).await.with_queue(), 6),
        (
            RedisSale::new(connect(), false)
                .await
                .with_queue()
                .with_holds(),
            7,
        ),
    ] {
        assert_eq!(count(&redis, &sale.keys.all()).await, 0);
        sale.claim(10).await;
        assert_eq!(count(&redis, &sale.keys.all()).await, keys);
        let until_ms = 1_893_456_000_000_u64;
        let expected = format!("0 {until_ms} 50 300 3 0123456789abcdef");
        assert_eq!(field(&redis, &sale).await, Some(expected));
        let state: Vec<String> = redis.hkeys(sale.queue_keys().state).await.unwrap();
        assert_eq!(state, [""]);
        assert_eq!(joined(&redis, &sale).await, 0);
        let view = sale.view().await;
        assert_eq!(view.terms.queue, sale.queue);
        assert_eq!(
            (view.facts.has_queue, view.facts.has_holds),
            (true, keys == 7)
        );
    }
    let plain = RedisSale::open(connect(), false, 10).await;
    assert_eq!(field(&redis, &plain).await, None);
    assert!(!plain.view().await.facts.has_queue);
}

#[tokio::test]
async fn a_queue_is_amended_until_somebody_joins() {
    let redis = redis().await;
    let sale = RedisSale::queued().await;
    assert!(matches!(sale.overbook(1).await, Amendment::Amended { .. }));
    let written = field(&redis, &sale).await.unwrap();
    assert!(written.ends_with(" 50 300 1 0123456789abcdef"), "{written}");
    sale.ack(&[Ack::Event(number(1).into())]).await;
    join(&redis, &sale).await;
    assert_eq!(sale.overbook(2).await, Amendment::Ordered);

    let sale = RedisSale::queued().await;
    let state = sale.queue_keys().state;
    for (late, overbook, is_amended) in [("0", 1, true), ("1", 2, false)] {
        let _: i64 = redis.hset(state.clone(), ("late", late)).await.unwrap();
        let amended = sale.overbook(overbook).await;
        assert_eq!(matches!(amended, Amendment::Amended { .. }), is_amended);
        sale.ack(&[Ack::Event(number(1).into())]).await;
    }
}

#[tokio::test]
async fn an_amendment_neither_adds_nor_removes_a_queue() {
    let (with, without) = (
        RedisSale::queued().await,
        RedisSale::open(connect(), false, 10).await,
    );
    let (queued, plain) = (with.view().await.terms, without.view().await.terms);
    for (sale, from, to) in [(&with, &queued, &plain), (&without, &plain, &queued)] {
        let amended = sale.store.amend(&sale.keys, number(0), from, to);
        amended.await.unwrap_err();
        assert_eq!(sale.view().await.terms, *from);
    }
}

#[tokio::test]
async fn a_sale_that_lacks_a_key_of_its_queue_is_noticed_and_neither_amended_nor_retired() {
    let redis = redis().await;
    for n in 0..2 {
        let sale = RedisSale::queued().await;
        let (store, keys) = (&sale.store, &sale.keys);
        let QueueKeys { state, joined } = sale.queue_keys();
        let is_noticed = async || {
            let page = store.read_outbox(keys, None, number(9), 10).await.unwrap();
            let snapshot = store.snapshot(keys).await.unwrap().unwrap();
            assert_eq!(page.is_lost, snapshot.is_lost);
            page.is_lost
        };
        assert!(!is_noticed().await);
        let key = [state, joined][n].clone();
        lose(&redis, &key).await;
        assert!(is_noticed().await);
        assert_eq!(sale.overbook(1).await, Amendment::Lost);
        assert_eq!(sale.close(number(0)).await, "recorded 1 true");
        sale.ack(&[Ack::Event(number(1).into())]).await;
        let retired = store.retire(keys, Duration::from_secs(60)).await;
        assert_eq!(retired.unwrap(), Retirement::NotYet);
        assert_eq!(count(&redis, &[key]).await, 0);
    }
}

#[tokio::test]
async fn the_keys_of_a_queue_expire_with_the_others_and_stay_for_a_later_cancel() {
    let redis = redis().await;
    let sale = RedisSale::queued().await;
    assert_eq!(sale.reserve(&[order(1)], number(0)).await, ["reserved 1"]);
    assert_eq!(sale.close(number(0)).await, "recorded 2 true");
    let acks = [1, 2].map(|it| Ack::Event(number(it).into()));
    assert_eq!(sale.ack(&acks).await, 2);
    assert_eq!(sale.retire().await, "Retired(1)");
    let expire = async || {
        let mut all = Vec::new();
        for key in sale.keys.all() {
            all.push(redis.pttl::<i64, _>(key).await.unwrap() > 0);
        }
        all
    };
    assert_eq!(expire().await, [true; 6]);
    assert_eq!(sale.cancel(1, 0, number(0)).await, "recorded 3 true");
    assert_eq!(expire().await, [false; 6]);
    let acked = sale.store.ack_and_apply(&sale.keys, number(3).into()).await;
    assert_eq!(acked.unwrap(), Acked::Applied);
    let at_once = sale.store.retire(&sale.keys, Duration::ZERO).await;
    assert_eq!(at_once.unwrap(), Retirement::Retired(2));
    assert_eq!(count(&redis, &sale.keys.all()).await, 0);
}

#[tokio::test]
async fn a_rebuilt_sale_keeps_its_queue_and_needs_its_keys() {
    let redis = redis().await;
    let sale = RedisSale::queued().await;
    let (store, product, keys) = (&sale.store, &sale.product, &sale.keys);
    join(&redis, &sale).await;
    let people = joined(&redis, &sale).await;
    assert!(people > 0);
    let QueueKeys {
        state,
        joined: early,
    } = sale.queue_keys();
    let of_queue = [
        ("late", "7"),
        ("paced_at_ms", "1000"),
        ("points", "0 0 0 1"),
    ];
    let _: i64 = redis.hset(state.clone(), of_queue.to_vec()).await.unwrap();
    // As a retirement leaves them.
    for key in [&state, &early] {
        let _: bool = redis.pexpire(key.clone(), 3_600_000, None).await.unwrap();
    }
    let fields = [("state".to_owned(), "open".to_owned())];
    for (token, lost) in [
        ("1", None),
        ("2", Some(&early)),
        ("3", Some(&state)),
        ("4", None),
    ] {
        let stopped = store.stop(product, keys, token.into()).await.unwrap();
        stopped.empty(2, product).await.unwrap();
        if token == "1" {
            let mut left: Vec<String> = redis.hkeys(state.clone()).await.unwrap();
            left.sort();
            assert_eq!(left, ["", "late"]);
            assert_eq!(joined(&redis, &sale).await, people);
            for key in [&state, &early] {
                assert_eq!(redis.pttl::<i64, _>(key.clone()).await.unwrap(), -1);
            }
        }
        if let Some(key) = lost {
            lose(&redis, key).await;
        }
        assert_eq!(stopped.reopen(&fields).await.is_err(), lost.is_some());
    }
    assert_eq!(count(&redis, &keys.all()).await, 6);
}
