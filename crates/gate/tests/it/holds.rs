//! Orders that have to be paid: what the model does not have.

use std::collections::HashSet;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, UserId};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_gate::{Ack, Acked, ChangeContext, Expiries, HoldsWatch};
use fred::clients::Client;
use fred::interfaces::{HashesInterface, KeysInterface, LuaInterface};
use jiff::Timestamp;

use crate::fixture::{RedisSale, connect, number, outcome, redis};
use crate::sale_model::order;

/// The default grace.
const GRACE_MS: i64 = 30_000;

impl RedisSale {
    /// The sale with holds, which buyers may cancel.
    pub fn with_holds(mut self) -> Self {
        self.has_holds = true;
        self.keys = self.keys_of_terms();
        self
    }

    /// The user and key of an order of the model.
    pub fn named(&self, id: OrderId) -> (u8, u8) {
        let mut all = (0..3).flat_map(|user| (0..6).map(move |key| (user, key)));
        let found = all.find(|(user, key)| self.order_id(*user, *key).0 == id);
        found.expect("an order of the model")
    }

    pub async fn cancel_by(
        &self,
        by: CancelledBy,
        user: u8,
        key: u8,
        high_water_mark: SequenceNumber,
    ) -> String {
        let (id, _) = self.order_id(user, key);
        let change = self.store.cancel(self.context(high_water_mark), id, by);
        let change = change.await.unwrap();
        outcome(change, |record| record.cancel.unwrap().number)
    }

    pub async fn complete(&self, user: u8, key: u8, high_water_mark: SequenceNumber) -> String {
        let (id, _) = self.order_id(user, key);
        let change = self.store.complete(self.context(high_water_mark), id);
        let change = change.await.unwrap();
        outcome(change, |record| record.completion.unwrap().number)
    }

    /// Lets all holds of the model's orders end.
    pub async fn expire(&self, high_water_mark: SequenceNumber) -> Expiries {
        let cutoff = Timestamp::now() + Duration::from_secs(3_600);
        let orders = (0..3).flat_map(|user| (0..6).map(move |key| (user, key)));
        let orders: Vec<_> = orders
            .map(|(user, key)| self.order_id(user, key).0)
            .collect();
        let expiries = self
            .store
            .expire(self.context(high_water_mark), cutoff, &orders);
        expiries.await.unwrap()
    }

    /// An open sale of ten units with holds, and order 1 of each of these users, which can expire.
    async fn held(users: u8) -> Self {
        let sale = Self::new(connect(), false).await.with_holds();
        sale.claim_and_open(10).await;
        for user in 0..users {
            let taken = sale.reserve(&[order(user)], number(0)).await;
            assert_eq!(taken, [format!("reserved {}", user + 1)]);
            sale.ack(&[Ack::Event(number(u32::from(user) + 1).into())])
                .await;
            // So that no two holds end at the same time.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        sale
    }

    async fn watch(&self, now: Timestamp) -> HoldsWatch {
        self.store.watch_holds(&self.keys, now, 0).await.unwrap()
    }

    /// Writes when the holds were watched last, and until when nothing expires.
    async fn set_watched(&self, redis: &Client, at: Timestamp, resumes_at: Timestamp) {
        let (at, resumes_at) = (at.as_millisecond(), resumes_at.as_millisecond());
        let watched = ("expiry", format!("{at} {resumes_at}"));
        let set: i64 = redis.hset(self.keys.sale.clone(), watched).await.unwrap();
        assert!(set <= 1);
    }
}

fn ids(expiries: Expiries) -> Vec<OrderId> {
    match expiries {
        Expiries::Noted(orders) => orders.into_iter().map(|(id, _)| id).collect(),
        refused => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn nothing_expires_for_one_grace_after_an_interruption_or_by_a_wrong_clock() {
    let (sale, redis) = (RedisSale::held(2).await, redis().await);
    let ms = |at: Timestamp| at.as_millisecond();
    let is_near = |at: Timestamp, expected: i64| (ms(at) - expected).abs() < 5_000;
    let after =
        |at: Timestamp, ms: i64| Timestamp::from_millisecond(at.as_millisecond() + ms).unwrap();

    // The first watch ever: nobody may have watched before.
    let now = Timestamp::now();
    let HoldsWatch::Paused(resumes_at) = sale.watch(now).await else {
        panic!("the first watch begins with a pause");
    };
    assert!(is_near(resumes_at, ms(now) + GRACE_MS));
    // The pause neither begins again nor is cut short.
    assert_eq!(sale.watch(now).await, HoldsWatch::Paused(resumes_at));

    sale.set_watched(&redis, now, now).await;
    let HoldsWatch::Due(due) = sale.watch(now).await else {
        panic!("the pause is over");
    };
    assert!(is_near(due.cutoff, ms(now) - GRACE_MS));
    // Holds of a minute have just begun.
    assert_eq!((due.first, due.orders), (None, vec![]));
    let ended_at = Timestamp::from_millisecond(ms(now) - 2 * GRACE_MS).unwrap();
    let second = sale.order_id(1, 0).0;
    let set = "return redis.call('ZADD', KEYS[1], 'XX', 'CH', ARGV[1], ARGV[2])";
    let hold = vec![ms(ended_at).to_string(), second.to_string()];
    let holds = sale.keys.holds.clone().unwrap();
    let changed: i64 = redis.eval(set, vec![holds], hold).await.unwrap();
    assert_eq!(changed, 1);
    let HoldsWatch::Due(due) = sale.watch(now).await else {
        panic!("the pause is over");
    };
    assert_eq!((due.first, due.orders), (Some(ended_at), vec![second]));

    for (watched_at, resumes_at) in [
        (after(now, -11_000), now),
        // From before the clock was set back.
        (after(now, 60_000), now),
        (now, after(now, 10 * GRACE_MS)),
    ] {
        sale.set_watched(&redis, watched_at, resumes_at).await;
        let HoldsWatch::Paused(resumes_at) = sale.watch(now).await else {
            panic!("watched at {watched_at}, resumes at {resumes_at}");
        };
        assert!(is_near(resumes_at, ms(now) + GRACE_MS));
    }

    for wrong in [-3_600_000, -6_000, 6_000, 3_600_000] {
        sale.set_watched(&redis, now, now).await;
        let watch = sale.watch(after(now, wrong)).await;
        assert!(matches!(watch, HoldsWatch::ClockDiffers(_)), "{wrong} ms");
    }
}

#[tokio::test]
async fn holds_end_in_their_order_and_no_faster_than_the_outbox_has_room() {
    let sale = RedisSale::held(3).await;
    let (keys, cutoff) = (&sale.keys, Timestamp::now() + Duration::from_secs(3_600));
    let too_early = Timestamp::now() + Duration::from_secs(10);
    let context = |outbox_max| ChangeContext {
        outbox_max,
        ..sale.context(number(0))
    };
    let orders = [0, 1, 2].map(|user| sale.order_id(user, 0).0);
    let [first, second, third] = orders;
    let expire = |outbox_max, cutoff| sale.store.expire(context(outbox_max), cutoff, &orders);
    assert_eq!(ids(expire(9, too_early).await.unwrap()), []);
    assert_eq!(ids(expire(2, cutoff).await.unwrap()), [first, second]);
    assert_eq!(expire(2, cutoff).await.unwrap(), Expiries::OutboxFull);
    let entries = [4, 5, 6].map(|it| number(it).into());
    let acked = sale.store.ack_and_apply_all(keys, &entries).await.unwrap();
    assert_eq!(acked, [Acked::Applied, Acked::Applied, Acked::Gone]);
    assert_eq!(ids(expire(2, cutoff).await.unwrap()), [third]);
    let view = sale.store.sale(&sale.product).await.unwrap().unwrap();
    assert_eq!((view.remaining, view.held()), (9, Some(1)));
}

#[tokio::test]
async fn orders_that_a_user_left_unpaid_are_counted_when_their_units_return() {
    let (sale, redis) = (RedisSale::held(3).await, redis().await);
    let unpaid = async |user: u8| -> Option<u32> {
        let field = format!("\u{1}user {user}");
        redis.hget(sale.keys.users.clone(), field).await.unwrap()
    };
    let [buyer, shop] = [CancelledBy::Buyer, CancelledBy::Shop];
    assert_eq!(
        sale.cancel_by(buyer, 0, 0, number(0)).await,
        "recorded 4 true"
    );
    assert_eq!(
        sale.cancel_by(shop, 1, 0, number(0)).await,
        "recorded 5 true"
    );
    assert_eq!(ids(sale.expire(number(0)).await), [sale.order_id(2, 0).0]);
    assert_eq!(unpaid(0).await, None);
    for _ in 0..2 {
        let entries = [4, 5, 6].map(|it| number(it).into());
        let acked = sale.store.ack_and_apply_all(&sale.keys, &entries).await;
        assert_eq!(acked.unwrap().len(), 3);
        assert_eq!(
            [unpaid(0).await, unpaid(1).await, unpaid(2).await],
            [Some(1), None, Some(1)]
        );
    }
}

#[tokio::test]
async fn without_the_holds_nothing_is_completed_and_no_hold_is_forgotten() {
    let (sale, redis) = (RedisSale::held(1).await, redis().await);
    let holds = sale.keys.holds.clone().unwrap();
    let removed: i64 = redis.del(holds.clone()).await.unwrap();
    assert_eq!(removed, 1);
    assert_eq!(sale.complete(0, 0, number(0)).await, "Lost");
    assert_eq!(sale.cancel(0, 0, number(0)).await, "Lost");
    assert_eq!(sale.expire(number(0)).await, Expiries::Lost);
    assert_eq!(sale.watch(Timestamp::now()).await, HoldsWatch::Lost);
    assert_eq!(sale.reserve(&[order(1)], number(0)).await, ["reserved 2"]);
    assert_eq!(sale.ack(&[Ack::Event(number(2).into())]).await, 0);
    let exists: i64 = redis.exists(holds).await.unwrap();
    assert_eq!(exists, 0);
    let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
    assert!(snapshot.is_lost);
    assert_eq!(sale.retire().await, "NotYet");
}

#[tokio::test]
async fn a_user_id_that_looks_like_a_mark_is_none() {
    let sale = RedisSale::held(0).await;
    for (n, user) in [
        "/1-1/5/",
        "a/expired:1-1:5 b",
        " /completed:1-1:5",
        "/rejected",
    ]
    .iter()
    .enumerate()
    {
        let n = u8::try_from(n).unwrap();
        let mut requests = sale.requests(&[order(n)], number(0));
        requests.requests[0].user = UserId::parse(user).unwrap();
        let answers = sale.store.reserve(&requests.sale, requests.requests);
        answers.await.unwrap().remove(0).unwrap();
        sale.ack(&[Ack::Event(number(u32::from(2 * n) + 1).into())])
            .await;
        let expected = format!("recorded {} true", 2 * n + 2);
        let done = match n % 2 {
            0 => sale.complete(n, 0, number(0)).await,
            _ => sale.cancel(n, 0, number(0)).await,
        };
        assert_eq!(done, expected, "{user}");
    }
    let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
    assert_eq!(snapshot.holds, 0);
}

#[tokio::test]
async fn orders_that_would_never_expire_are_found() {
    let (sale, redis) = (RedisSale::held(3).await, redis().await);
    // The last one waits in the outbox.
    assert_eq!(sale.reserve(&[order(3)], number(0)).await, ["reserved 4"]);
    let users = [0, 1, 2, 3].map(|user| sale.order_id(user, 0).0);
    let unheld = async || sale.store.find_unheld(&sale.keys, &users).await.unwrap();
    assert_eq!(unheld().await, []);
    assert_eq!(sale.complete(0, 0, number(0)).await, "recorded 5 true");
    assert_eq!(sale.cancel(1, 0, number(0)).await, "recorded 6 true");
    assert_eq!(unheld().await, []);
    let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
    assert_eq!((snapshot.holds, snapshot.completed), (1, 1));
    assert_eq!(snapshot.completions, HashSet::from([users[0]]));

    let forget = "return redis.call('ZREM', KEYS[1], ARGV[1])";
    let holds = sale.keys.holds.clone().unwrap();
    let removed: i64 = redis
        .eval(forget, vec![holds], vec![users[2].to_string()])
        .await
        .unwrap();
    assert_eq!(removed, 1);
    assert_eq!(unheld().await, [users[2]]);
}
