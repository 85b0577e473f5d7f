//! The scripts against a plain model: the same calls give the same outcomes and the same state.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::OrdersPerUser;
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_gate::{Ack, Acked, Claim, Expiries, OutboxEntry};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{RedisSale, connect, number};
use crate::sale_model::{ORDERS_PER_USER, OrderCall, SaleModel, USER_LIMIT};

/// A total so large that restocks reach the largest one.
const NEARLY_MAX_TOTAL: u32 = 999_999_990;

#[derive(Debug, Clone)]
enum Call {
    Claim {
        total: u32,
    },
    Reserve {
        calls: Vec<OrderCall>,
        /// The instance believes that a sale with limits has none, or the other way round.
        is_stale: bool,
    },
    Cancel {
        user: u8,
        key: u8,
        by: CancelledBy,
    },
    Complete {
        user: u8,
        key: u8,
    },
    /// All holds end.
    Expire,
    Restock {
        key: u8,
        units: u8,
    },
    Close,
    Amend {
        user_limit: Option<u32>,
    },
    Ack {
        sequence: u32,
    },
    /// Acknowledges the whole entry of an event.
    AckEntry {
        sequence: u32,
    },
    /// As the relay does, but what it removes from the index stays there until `Unindex`.
    Retire,
    /// Removes from the index what an earlier `Retire` left to be removed.
    Unindex,
    /// Later calls carry this high-water mark.
    SetHighWaterMark {
        sequence: u32,
    },
}

fn call() -> impl Strategy<Value = Call> {
    let order = (0u8..3, 0u8..6, 1u8..4);
    let order = order.prop_map(|(user, key, quantity)| OrderCall {
        user,
        key,
        quantity,
    });
    prop_oneof![
        2 => (5u32..7).prop_map(|total| Call::Claim { total }),
        12 => (prop::collection::vec(order, 1..5), prop::bool::weighted(0.2))
            .prop_map(|(calls, is_stale)| Call::Reserve { calls, is_stale }),
        6 => (0u8..3, 0u8..6, any::<bool>()).prop_map(|(user, key, is_by_shop)| Call::Cancel {
            user,
            key,
            by: if is_by_shop { CancelledBy::Shop } else { CancelledBy::Buyer },
        }),
        4 => (0u8..3, 0u8..6).prop_map(|(user, key)| Call::Complete { user, key }),
        2 => Just(Call::Expire),
        3 => (0u8..3, 1u8..4).prop_map(|(key, units)| Call::Restock { key, units }),
        1 => Just(Call::Close),
        3 => prop::option::of(1u32..5).prop_map(|user_limit| Call::Amend { user_limit }),
        3 => Just(Call::Retire),
        3 => Just(Call::Unindex),
        8 => (0u32..12).prop_map(|sequence| Call::Ack { sequence }),
        4 => (1u32..12).prop_map(|sequence| Call::AckEntry { sequence }),
        2 => (0u32..12).prop_map(|sequence| Call::SetHighWaterMark { sequence }),
    ]
}

async fn compare(redis: RedisSale, calls: Vec<(Call, bool)>) {
    let mut model = SaleModel::default();
    model.user_limit = redis.user_limit;
    model.orders_per_user = redis.orders_per_user.map(|rate| rate.orders());
    model.has_holds = redis.has_holds;
    for (call, is_repeated) in calls {
        for _ in 0..=usize::from(is_repeated) {
            make_call(&redis, &mut model, &call).await;
            assert_same_state(&redis, &model).await;
        }
    }
}

async fn make_call(redis: &RedisSale, model: &mut SaleModel, call: &Call) {
    let high_water_mark = number(model.high_water_mark);
    match *call {
        Call::Claim { total } => {
            let expected = match model.claim(total) {
                true => Claim::Claimed,
                false => Claim::Exists,
            };
            assert_eq!(redis.claim(total).await, expected);
        }
        // One call to Redis, one by one in the model.
        Call::Reserve {
            ref calls,
            is_stale,
        } => {
            let is_limited = redis.is_limited() != is_stale;
            let expected = model.reserve(calls, redis.shares_entries, is_limited);
            let outcomes = redis.reserve_as(calls, high_water_mark, is_limited);
            assert_eq!(outcomes.await, expected);
        }
        Call::Cancel { user, key, by } => {
            let expected = model.cancel(user, key, by == CancelledBy::Buyer);
            let cancelled = redis.cancel_by(by, user, key, high_water_mark);
            assert_eq!(cancelled.await, expected);
        }
        Call::Complete { .. } | Call::Expire if !model.has_holds => {}
        Call::Complete { user, key } => {
            let expected = model.complete(user, key);
            assert_eq!(redis.complete(user, key, high_water_mark).await, expected);
        }
        Call::Expire => match redis.expire(high_water_mark).await {
            Expiries::Noted(orders) => {
                assert_eq!(model.refuse_expiry(), None);
                let named = orders.iter().map(|(id, _)| redis.named(*id));
                model.expire(&named.collect::<Vec<_>>());
            }
            refused => assert_eq!(Some(&*format!("{refused:?}")), model.refuse_expiry()),
        },
        Call::Restock { key, units } => {
            let units = units.into();
            let expected = model.restock(key, units);
            assert_eq!(redis.restock(key, units, high_water_mark).await, expected);
        }
        Call::Amend { user_limit } => {
            let from = model.user_limit;
            let expected = model.amend(user_limit);
            let amended = redis.amend(from, user_limit, high_water_mark);
            assert_eq!(amended.await, expected);
        }
        Call::Close => assert_eq!(redis.close(high_water_mark).await, model.close()),
        Call::Ack { sequence } => {
            let (before, makes_room) = (model.entries(), model.ack(sequence));
            let is_shared = model.entry_of(sequence).1 > 1;
            if makes_room == Some(false) || is_shared {
                let removed = redis.ack(&[Ack::Event(number(sequence).into())]).await;
                assert_eq!(removed as usize, before - model.entries());
            } else {
                let applied = redis
                    .store
                    .ack_and_apply(&redis.keys, number(sequence).into());
                let expected = match makes_room {
                    Some(_) => Acked::Applied,
                    None => Acked::Gone,
                };
                assert_eq!(applied.await.unwrap(), expected);
            }
        }
        Call::AckEntry { sequence } => {
            let before = model.entries();
            let is_effect = model
                .outbox
                .get(&sequence)
                .is_some_and(|it| it.makes_room());
            if !is_effect {
                let (first, events) = model.entry_of(sequence);
                model.ack_entry((first, events));
                let id = number(first);
                let removed = redis.ack(&[Ack::Entry(OutboxEntry { id, events })]).await;
                assert_eq!(removed as usize, before - model.entries());
            }
        }
        Call::Retire => assert_eq!(redis.retire().await, model.retire()),
        Call::Unindex => redis.unindex().await,
        Call::SetHighWaterMark { sequence } => model.high_water_mark = sequence,
    }
}

async fn assert_same_state(redis: &RedisSale, model: &SaleModel) {
    let until = SequenceNumber {
        epoch: u32::MAX,
        sequence: 0,
    };
    let page = redis.store.read_outbox(&redis.keys, None, until, 100);
    let page = page.await.unwrap();
    let events = page.events.iter().map(|event| event.number.sequence);
    let events: Vec<u32> = events.collect();
    let expected: Vec<u32> = model.outbox.keys().copied().collect();
    assert_eq!((events, page.highest.sequence), (expected, model.sequence));
    assert_eq!(page.waiting as usize, model.entries());
    assert_eq!(page.state == "closed", model.is_closed());
    // Otherwise no relay would see the events.
    assert!(model.outbox.is_empty() || redis.indexed().await.is_some());

    let sale = redis.store.sale(&redis.product).await.unwrap();
    let units = sale.map(|view| (view.remaining, view.completed, view.total.get()));
    let total = model.opened_total.map(|total| total + model.restocked);
    let expected = total.map(|total| (model.remaining, model.completed, total));
    assert_eq!(units, expected);
    let snapshot = redis.store.snapshot(&redis.keys).await.unwrap();
    let holds = snapshot.map_or(0, |snapshot| snapshot.holds);
    assert_eq!(holds as usize, model.holds.len());
}

#[test]
fn random_calls_some_of_them_repeated_do_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let store = connect();
    let calls = prop::collection::vec((call(), any::<bool>()), 1..40);
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    // A sale that was never opened shows little: most runs begin with an open one, some of these with nearly the largest
    // total.
    let total = prop_oneof![1 => Just(None), 3 => Just(Some(6)), 1 => Just(Some(NEARLY_MAX_TOTAL))];
    runner
        .run(&(total, calls), |(total, mut calls)| {
            if let Some(total) = total {
                calls.insert(0, (Call::Claim { total }, true));
                calls.insert(1, (Call::Ack { sequence: 0 }, true));
            }
            for shares_entries in [false, true] {
                let window = Some(OrdersPerUser::parse(&format!("{ORDERS_PER_USER}/600")).unwrap());
                let limit = Some(USER_LIMIT);
                let limits = [
                    (None, None),
                    (limit, None),
                    (limit.filter(|_| shares_entries), window),
                ];
                for (user_limit, orders_per_user) in limits {
                    let sale = RedisSale::new(store.clone(), shares_entries);
                    let mut sale = runtime.block_on(sale);
                    (sale.user_limit, sale.orders_per_user) = (user_limit, orders_per_user);
                    runtime.block_on(compare(sale, calls.clone()));
                }
                let sale = RedisSale::new(store.clone(), shares_entries);
                let mut sale = runtime.block_on(sale).with_holds();
                sale.user_limit = limit.filter(|_| shares_entries);
                runtime.block_on(compare(sale, calls.clone()));

                // A queue changes nothing for those who order.
                let sale = RedisSale::new(store.clone(), shares_entries);
                let sale = runtime.block_on(sale).with_queue();
                let sale = match shares_entries {
                    true => sale.with_holds(),
                    false => sale,
                };
                runtime.block_on(compare(sale, calls.clone()));
            }
            Ok(())
        })
        .unwrap();
}
