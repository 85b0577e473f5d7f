//! The limits of the rate of a sale's orders, by Redis's clock.

use std::time::{Duration, Instant};

use fluxgate_domain::ids::{OrdersPerSecond, OrdersPerUser};
use fluxgate_gate::{Answer, Quota, Quotas, Reservation, SaleRequests};
use fred::interfaces::{HashesInterface, KeysInterface};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::fixture::{RedisSale, connect, number, outcomes, redis};
use crate::sale_model::OrderCall;

const fn order(user: u8, key: u8) -> OrderCall {
    OrderCall {
        user,
        key,
        quantity: 1,
    }
}

fn per_second(orders: u32) -> Option<OrdersPerSecond> {
    Some(OrdersPerSecond::try_from(orders).unwrap())
}

fn per_user(text: &str) -> Option<OrdersPerUser> {
    Some(OrdersPerUser::parse(text).unwrap())
}

/// An open sale of 10,000 units with these limits.
async fn sale(per_second: Option<OrdersPerSecond>, per_user: Option<OrdersPerUser>) -> RedisSale {
    let mut sale = RedisSale::new(connect(), false).await;
    sale.user_limit = None;
    (sale.orders_per_second, sale.orders_per_user) = (per_second, per_user);
    sale.claim_and_open(10_000).await;
    sale
}

impl RedisSale {
    async fn answers(&self, calls: &[OrderCall]) -> Vec<Answer> {
        let SaleRequests { sale, requests } = self.requests(calls, number(0));
        let answers = self.store.reserve(&sale, requests).await.unwrap();
        answers.into_iter().map(Result::unwrap).collect()
    }

    async fn outcomes(&self, calls: &[OrderCall]) -> Vec<String> {
        self.reserve(calls, number(0)).await
    }

    /// Replaces a field of the sale hash.
    async fn set(&self, field: &str, value: String) {
        let redis = redis().await;
        let set = redis.hset::<(), _, _>(self.keys.sale.clone(), (field, value));
        set.await.unwrap();
    }

    /// The window of a user in the users hash.
    async fn window(&self, user: u8) -> Option<String> {
        let field = format!("\u{2}user {user}");
        redis()
            .await
            .hget(self.keys.users.clone(), field)
            .await
            .unwrap()
    }

    async fn set_window(&self, user: u8, orders: u32, since: Timestamp) {
        let field = format!("\u{2}user {user}");
        let value = format!("{orders} {}", since.as_millisecond());
        let redis = redis().await;
        let set = redis.hset::<(), _, _>(self.keys.users.clone(), (field, value));
        set.await.unwrap();
    }

    async fn now(&self) -> Timestamp {
        self.store.now().await.unwrap()
    }
}

fn sale_quota(answer: &Answer) -> Quota {
    answer.quotas.as_ref().unwrap().sale.unwrap()
}

#[tokio::test]
async fn concurrent_instances_take_no_more_orders_than_the_rate_allows() {
    const RATE: u32 = 200;
    const BURST: usize = 20;
    const RUN: Duration = Duration::from_secs(2);
    let sale = sale(per_second(RATE), None).await;
    let started = Instant::now();
    let instances = [connect(), connect(), connect()].into_iter().enumerate();
    let instances = instances.map(|(instance, store)| {
        let sale = &sale;
        async move {
            let (mut taken, mut next) = (Vec::new(), 0usize);
            while started.elapsed() < RUN {
                let count = 1 + next % 5;
                // Each order has a user and a key of its own.
                let order = |n| order((80 * instance + n / 250) as u8, (n % 250) as u8);
                let calls: Vec<_> = (next..next + count).map(order).collect();
                next += count;
                let SaleRequests { sale, requests } = sale.requests(&calls, number(0));
                for answer in store.reserve(&sale, requests).await.unwrap() {
                    match answer.unwrap().reservation {
                        Reservation::Reserved { record, .. } => taken.push(record.placed_at),
                        Reservation::RateLimited { wait_ms } => assert!(wait_ms <= 5, "{wait_ms}"),
                        other => panic!("{other:?}"),
                    }
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            taken
        }
    });
    let mut taken: Vec<Timestamp> = join_all(instances).await.concat();
    assert!(taken.len() > 2 * BURST);
    taken.sort();
    for (n, from) in taken.iter().enumerate() {
        for (between, until) in taken[n..].iter().enumerate() {
            // Redis's clock is cut down to milliseconds.
            let ms = until.as_millisecond() - from.as_millisecond() + 1;
            let most = BURST as f64 + f64::from(RATE) * ms as f64 / 1_000.0;
            let orders = between + 1;
            assert!(orders as f64 <= most, "{orders} orders in {ms} ms");
        }
    }
}

#[tokio::test]
async fn an_order_that_comes_as_late_as_it_was_told_is_taken() {
    let sale = sale(per_second(50), None).await;
    let mut waited = 0;
    for key in 0..30 {
        let wait_ms = match sale.answers(&[order(1, key)]).await[0].reservation {
            Reservation::RateLimited { wait_ms } => wait_ms,
            _ => continue,
        };
        waited += 1;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let after = sale.answers(&[order(1, key)]).await;
        let is_taken = matches!(after[0].reservation, Reservation::Reserved { .. });
        assert!(is_taken, "{after:?}");
    }
    assert!(waited > 10, "{waited} orders had to wait");
}

#[tokio::test]
async fn a_tenth_of_what_a_second_allows_is_taken_at_once_but_at_least_one_order() {
    for (rate, burst) in [(1u32, 1u32), (19, 1), (20, 2), (33, 3)] {
        let sale = sale(per_second(rate), None).await;
        let calls: Vec<_> = (0..5).map(|user| order(user, 0)).collect();
        let answers = sale.answers(&calls).await;
        let left = sale_quota(&answers[0]);
        assert_eq!((left.orders, left.window_seconds, left.left), (rate, 1, 0));
        let full_ms = (u64::from(burst) * 1_000).div_ceil(rate.into());
        assert_eq!(left.whole_in_ms, full_ms, "{rate}");
        let next_ms = 1_000u64.div_ceil(rate.into());
        for (n, answer) in answers.iter().enumerate() {
            match answer.reservation {
                Reservation::Reserved { .. } => assert!(n < burst as usize),
                Reservation::RateLimited { wait_ms } => {
                    assert!(n >= burst as usize && wait_ms == next_ms, "{answer:?}");
                }
                _ => panic!("{answer:?}"),
            }
            assert_eq!(sale_quota(answer), left);
        }
        // Those that were taken are found, however many others come.
        assert_eq!(sale.outcomes(&calls[..1]).await, ["known 1 true"]);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_stops_no_sale() {
    let sale = sale(per_second(10), None).await;
    let full_at = async |later: Duration| {
        let at_us = (sale.now().await + later).as_microsecond();
        sale.set("limits", format!("10 1000000 {at_us} 0 0")).await;
    };
    full_at(Duration::from_secs(3_600)).await;
    assert_eq!(sale.outcomes(&[order(1, 0)]).await, ["reserved 1"]);
    // From now on, Redis's clock counts.
    assert_eq!(sale.outcomes(&[order(2, 0)]).await, ["RateLimited"]);
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(sale.outcomes(&[order(2, 0)]).await, ["reserved 2"]);

    // A clock that is adjusted lifts no limit, and stops the sale for as long as it was adjusted.
    full_at(Duration::from_millis(500)).await;
    let refused = sale.answers(&[order(3, 0)]).await;
    let next = Reservation::RateLimited { wait_ms: 100 };
    assert_eq!(refused[0].reservation, next);
    tokio::time::sleep(Duration::from_millis(610)).await;
    assert_eq!(sale.outcomes(&[order(3, 0)]).await, ["reserved 3"]);
}

#[tokio::test]
async fn the_rate_is_looked_at_last() {
    let mut sale = RedisSale::new(connect(), false).await;
    (sale.user_limit, sale.orders_per_second) = (Some(4), per_second(1));
    sale.claim_and_open(5).await;
    let of = |quantity, call: OrderCall| OrderCall { quantity, ..call };
    let calls = [
        of(3, order(1, 0)),
        of(2, order(1, 1)),
        of(3, order(2, 0)),
        order(2, 1),
    ];
    let expected = ["reserved 1", "UserLimit", "Insufficient", "RateLimited"];
    assert_eq!(sale.outcomes(&calls).await, expected);
}

#[tokio::test]
async fn a_users_window_begins_with_the_first_order_taken() {
    let sale = sale(None, per_user("2/600")).await;
    let quotas = async |calls: &[OrderCall]| {
        let answers = sale.answers(calls).await.into_iter();
        let left = answers.map(|it| match *it.quotas.unwrap() {
            Quotas { sale: None, user } => user.map(|it| (it.left, it.whole_in_ms)).unwrap(),
            other => panic!("{other:?}"),
        });
        left.collect::<Vec<_>>()
    };
    let since = sale.now().await;
    assert_eq!(quotas(&[order(1, 0)]).await, [(1, 600_000)]);
    let left = quotas(&[order(1, 1), order(1, 2), order(2, 0), order(1, 0)]).await;
    let (remaining, ms): (Vec<u32>, Vec<u64>) = left.into_iter().unzip();
    assert_eq!(remaining, [0, 0, 1, 0]);
    assert!(
        (590_000..=600_000).contains(&ms[0]) && ms[0] == ms[1],
        "{ms:?}"
    );
    assert_eq!(
        sale.outcomes(&[order(1, 2), order(1, 1), order(1, 3)])
            .await,
        ["UserRateLimited", "known 2 true", "UserRateLimited"]
    );
    // A cancelled order was taken, too.
    assert_eq!(sale.cancel(1, 1, number(0)).await, "recorded 4 true");
    assert_eq!(sale.outcomes(&[order(1, 2)]).await, ["UserRateLimited"]);

    let window = Duration::from_secs(600);
    sale.set_window(1, 2, since - window + Duration::from_secs(60))
        .await;
    assert_eq!(sale.outcomes(&[order(1, 2)]).await, ["UserRateLimited"]);
    sale.set_window(1, 2, since - window).await;
    assert_eq!(sale.outcomes(&[order(1, 2)]).await, ["reserved 5"]);
    assert!(sale.window(1).await.unwrap().starts_with("1 "));
    // From before the clock was adjusted: counts as now.
    let now = sale.now().await;
    sale.set_window(1, 2, now + Duration::from_millis(900))
        .await;
    assert_eq!(quotas(&[order(1, 3)]).await, [(0, 600_000)]);
    // From before it was set back: over.
    sale.set_window(1, 2, since + window * 100).await;
    assert_eq!(quotas(&[order(1, 3)]).await, [(1, 600_000)]);
}

#[tokio::test]
async fn an_order_that_is_refused_leaves_no_trace_of_its_user() {
    let sale = sale(per_second(1), per_user("2/600")).await;
    let expected = ["reserved 1", "RateLimited"];
    assert_eq!(sale.outcomes(&[order(1, 0), order(2, 0)]).await, expected);
    assert_eq!(sale.window(2).await, None);
    assert!(sale.window(1).await.is_some());
}

#[tokio::test]
async fn without_the_users_hash_no_window_is_lifted() {
    let sale = sale(None, per_user("1/600")).await;
    assert_eq!(sale.outcomes(&[order(1, 0)]).await, ["reserved 1"]);
    let users = sale.keys.users.clone();
    assert_eq!(redis().await.del::<i64, _>(users).await.unwrap(), 1);
    let expected = ["Lost", "known 1 true"];
    assert_eq!(sale.outcomes(&[order(1, 1), order(1, 0)]).await, expected);
    let (store, keys) = (&sale.store, &sale.keys);
    let page = store.read_outbox(keys, None, number(9), 10).await.unwrap();
    let snapshot = store.snapshot(keys).await.unwrap().unwrap();
    assert!(page.is_lost && snapshot.is_lost);
}

#[tokio::test]
async fn a_sale_without_limits_beside_one_with_limits_is_not_limited() {
    let limited = sale(per_second(1), None).await;
    let free = sale(None, None).await;
    let calls = [order(1, 0), order(2, 0)];
    let sales = [&limited, &free].map(|sale| sale.requests(&calls, number(0)));
    let answers = limited.store.reserve_sales(sales.into()).await.unwrap();
    assert!(answers[2].as_ref().unwrap().quotas.is_none());
    let expected = ["reserved 1", "RateLimited", "reserved 1", "reserved 2"];
    assert_eq!(outcomes(answers), expected);
}
