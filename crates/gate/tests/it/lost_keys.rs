//! A sale whose key was evicted or deleted sells nothing and changes nothing until it is rebuilt.

use fluxgate_gate::{Ack, Acked, Pair, Part, Retirement};
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::Key;
use fred::types::config::Config;

use crate::fixture::{RedisSale, connect, connect_waiting_for_a_replica, number, redis_url};
use crate::sale_model::order;

/// An open sale with order 1 acknowledged, order 2 in the outbox, in one entry with it or not, and the cancel of order 1 in the
/// outbox as entry 3.
struct LosingSale {
    sale: RedisSale,
    redis: Client,
}

impl LosingSale {
    async fn new(shares_entries: bool) -> Self {
        let redis = Client::new(Config::from_url(&redis_url()).unwrap(), None, None, None);
        redis.init().await.unwrap();
        let sale = RedisSale::open(connect(), shares_entries, 10).await;
        let reserved = sale.reserve(&[order(1), order(2)], number(0)).await;
        assert_eq!(reserved, ["reserved 1", "reserved 2"]);
        sale.ack(&[Ack::Event(number(1).into())]).await;
        assert_eq!(sale.cancel(1, 0, number(0)).await, "recorded 3 true");
        Self { sale, redis }
    }

    async fn lose(&self, key: &Key) {
        assert_eq!(self.redis.del::<i64, _>(key.clone()).await.unwrap(), 1);
    }

    async fn has(&self, key: &Key) -> bool {
        self.redis.exists::<i64, _>(key.clone()).await.unwrap() == 1
    }

    async fn order(&self, user: u8) -> String {
        self.sale.reserve(&[order(user)], number(0)).await.remove(0)
    }

    /// Whether a reader of the outbox and an audit see that a key is missing.
    async fn is_noticed(&self) -> bool {
        let (store, keys) = (&self.sale.store, &self.sale.keys);
        let page = store.read_outbox(keys, None, number(9), 10).await.unwrap();
        let snapshot = store.snapshot(keys).await.unwrap().unwrap();
        assert_eq!(page.is_lost, snapshot.is_lost);
        page.is_lost
    }
}

#[tokio::test]
async fn without_the_users_hash_no_limit_is_lifted() {
    for shares_entries in [false, true] {
        let losing = LosingSale::new(shares_entries).await;
        let sale = &losing.sale;
        assert!(!losing.is_noticed().await);
        losing.lose(&sale.keys.users).await;
        assert_eq!(losing.order(3).await, "Lost");
        assert_eq!(losing.order(2).await, "known 2 true");
        assert_eq!(sale.cancel(2, 0, number(0)).await, "Lost");
        // Its cancel was noted before: the units do not return yet, and the hash does not come back.
        let acked = sale.store.ack_and_apply(&sale.keys, number(3).into()).await;
        assert_eq!(acked.unwrap(), Acked::Lost);
        assert!(!losing.has(&sale.keys.users).await);
        assert!(losing.is_noticed().await);
        let view = sale.store.sale(&sale.product).await.unwrap().unwrap();
        assert_eq!(view.remaining, 8);
    }
}

#[tokio::test]
async fn without_the_orders_hash_no_retry_takes_a_second_unit() {
    for shares_entries in [false, true] {
        let losing = LosingSale::new(shares_entries).await;
        let sale = &losing.sale;
        losing.lose(&sale.keys.orders).await;
        for user in [1, 2, 3] {
            assert_eq!(losing.order(user).await, "Lost");
        }
        assert_eq!(sale.restock(1, 1, number(0)).await, "Lost");
        let acked = sale.store.ack_and_apply(&sale.keys, number(3).into()).await;
        assert_eq!(acked.unwrap(), Acked::Lost);
        assert!(!losing.has(&sale.keys.orders).await);
        assert!(losing.is_noticed().await);
    }
}

#[tokio::test]
async fn without_the_outbox_nothing_is_sold_changed_or_retired() {
    for shares_entries in [false, true] {
        let losing = LosingSale::new(shares_entries).await;
        let sale = &losing.sale;
        losing.lose(&sale.keys.outbox).await;
        let answers = sale.reserve(&[3, 2, 4, 3].map(order), number(0)).await;
        assert_eq!(answers, ["Lost", "known 2 false", "Lost", "Lost"]);
        let view = sale.store.sale(&sale.product).await.unwrap().unwrap();
        assert_eq!((view.remaining, view.number), (8, number(3)));
        assert_eq!(losing.order(2).await, "known 2 false");
        assert_eq!(sale.cancel(2, 0, number(0)).await, "Lost");
        assert_eq!(sale.restock(1, 1, number(0)).await, "Lost");
        assert_eq!(sale.close(number(0)).await, "Lost");
        assert!(!losing.has(&sale.keys.outbox).await);
        assert!(losing.is_noticed().await);

        let losing = LosingSale::new(shares_entries).await;
        let sale = &losing.sale;
        assert_eq!(sale.close(number(0)).await, "recorded 4 true");
        losing.lose(&sale.keys.outbox).await;
        // Its entries were never published.
        let keep = std::time::Duration::from_secs(1);
        let retired = sale.store.retire(&sale.keys, keep).await;
        assert_eq!(retired.unwrap(), Retirement::NotYet);
    }
}

#[tokio::test]
async fn waiting_for_a_replica_does_not_bring_the_sale_hash_back() {
    let mut losing = LosingSale::new(true).await;
    losing.sale.store = connect_waiting_for_a_replica();
    let keys = losing.sale.keys.clone();
    assert_eq!(losing.order(2).await, "too_few_replicas");
    assert!(losing.has(&keys.sale).await);
    losing.lose(&keys.sale).await;
    assert_eq!(losing.order(2).await, "too_few_replicas");
    assert!(!losing.has(&keys.sale).await);
}

#[tokio::test]
async fn a_rebuild_whose_keys_are_lost_again_does_not_reopen_the_sale() {
    let losing = LosingSale::new(true).await;
    let RedisSale {
        store,
        product,
        keys,
        ..
    } = &losing.sale;
    let pair: Pair = ("user 1".to_owned(), "1".to_owned());
    for key in [&keys.users, &keys.outbox] {
        let stopped = store.stop(product, keys, "token".into()).await.unwrap();
        stopped.empty(2, product).await.unwrap();
        losing.lose(key).await;
        if *key == keys.users {
            stopped
                .fill(Part::Users, std::slice::from_ref(&pair))
                .await
                .unwrap_err();
        }
        stopped
            .reopen(&[("state".to_owned(), "open".to_owned())])
            .await
            .unwrap_err();
    }
}

#[tokio::test]
async fn a_retired_sale_does_not_expire_during_its_rebuild() {
    for shares_entries in [false, true] {
        let losing = LosingSale::new(shares_entries).await;
        let sale = &losing.sale;
        let (store, keys) = (&sale.store, &sale.keys);
        sale.close(number(0)).await;
        let order_and_closing = [2, 4].map(|it| Ack::Event(number(it).into()));
        assert_eq!(sale.ack(&order_and_closing).await, 2);
        store.ack_and_apply(keys, number(3).into()).await.unwrap();
        assert_eq!(sale.retire().await, "Retired(1)");
        let expires_in = async || {
            losing
                .redis
                .pttl::<i64, _>(keys.sale.clone())
                .await
                .unwrap()
        };
        assert!(expires_in().await > 0);
        store
            .stop(&sale.product, keys, "token".into())
            .await
            .unwrap();
        assert_eq!(expires_in().await, -1);
    }
}
