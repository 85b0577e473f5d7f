//! The scripts against a plain model: the same calls give the same outcomes and the same state.

use std::sync::Mutex;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{
    IdempotencyKey, OrderId, ProductId, Quantity, RestockId, Tag, Total, UserId,
};
use fluxgate_gate::{
    Acked, Change, ChangeContext, Claim, GateMetrics, IndexedSale, Reservation, ReservationContext,
    ReservationRequest, ReservationStore, Retirement, SaleKeys, Terms,
};
use fluxgate_service::settings::{OnRedisLoss, RedisSettings};
use jiff::Timestamp;
use prometheus::Registry;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::sale_model::{OrderCall, SaleModel, USER_LIMIT};

/// The Redis database of this test. The others are used by tests whose instances would publish the outbox entries here.
const REDIS_DATABASE: u32 = 63;
/// A total so large that restocks reach the largest one.
const NEARLY_MAX_TOTAL: u32 = 999_999_990;

#[derive(Debug, Clone)]
enum Call {
    Claim {
        total: u32,
    },
    Reserve(Vec<OrderCall>),
    Cancel {
        user: u8,
        key: u8,
    },
    Restock {
        key: u8,
        units: u8,
    },
    Close,
    Ack {
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
        12 => prop::collection::vec(order, 1..5).prop_map(Call::Reserve),
        6 => (0u8..3, 0u8..6).prop_map(|(user, key)| Call::Cancel { user, key }),
        3 => (0u8..3, 1u8..4).prop_map(|(key, units)| Call::Restock { key, units }),
        1 => Just(Call::Close),
        3 => Just(Call::Retire),
        3 => Just(Call::Unindex),
        8 => (0u32..12).prop_map(|sequence| Call::Ack { sequence }),
        2 => (0u32..12).prop_map(|sequence| Call::SetHighWaterMark { sequence }),
    ]
}

/// A sale in Redis.
pub struct RedisSale {
    pub store: ReservationStore,
    pub product: ProductId,
    pub keys: SaleKeys,
    pub opens_at: Timestamp,
    /// What retirements left to be removed from the index, the oldest last.
    retired: Mutex<Vec<(IndexedSale, u32)>>,
}

impl RedisSale {
    pub async fn new(store: ReservationStore) -> Self {
        let product = format!("model-{}", uuid::Uuid::new_v4().simple());
        let product = ProductId::parse(&product).unwrap();
        let opens_at_ms = store.now().await.unwrap().as_millisecond() - 1_000;
        Self {
            keys: SaleKeys::new(&product, Tag::of(&product), opens_at_ms),
            opens_at: Timestamp::from_millisecond(opens_at_ms).unwrap(),
            store,
            product,
            retired: Mutex::default(),
        }
    }

    pub fn context(&self, high_water_mark: SequenceNumber) -> ChangeContext<'_> {
        ChangeContext {
            product: &self.product,
            keys: &self.keys,
            high_water_mark,
            outbox_max: 1_000_000,
        }
    }

    async fn indexed(&self) -> Option<IndexedSale> {
        let indexed = self.store.indexed().await.unwrap();
        indexed.into_iter().find(|it| it.product == self.product)
    }

    async fn retire(&self) -> String {
        let indexed = self.indexed().await;
        let keep = Duration::from_secs(60);
        let retirement = self.store.retire(&self.keys, keep).await.unwrap();
        if let (Some(indexed), Retirement::Retired(number)) = (indexed, retirement) {
            self.retired.lock().unwrap().insert(0, (indexed, number));
        }
        format!("{retirement:?}")
    }

    async fn unindex(&self) {
        let oldest = self.retired.lock().unwrap().pop();
        if let Some((indexed, number)) = oldest {
            self.store.unindex(&indexed, number).await.unwrap();
        }
    }

    fn order_id(&self, user: u8, key: u8) -> (OrderId, UserId) {
        let user = UserId::parse(&format!("user {user}")).unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        let (tag, ms) = (Tag::of(&self.product), self.opens_at.as_millisecond());
        let id = OrderId::derive(&self.product, tag, ms, &user, &key);
        (id, user)
    }

    pub async fn claim(&self, total: u32) -> Claim {
        let terms = Terms {
            total: Total::try_from(i64::from(total)).unwrap(),
            opens_at: Some(self.opens_at),
            closes_at: None,
            per_user_limit: Some(USER_LIMIT),
        };
        self.store.claim(&self.product, &terms, 0).await.unwrap()
    }

    pub async fn reserve(
        &self,
        calls: &[OrderCall],
        high_water_mark: SequenceNumber,
    ) -> Vec<String> {
        let context = ReservationContext {
            keys: &self.keys,
            opened_at: self.opens_at,
            high_water_mark,
            outbox_max: 1_000,
        };
        let request = |call: &OrderCall| {
            let (order_id, user) = self.order_id(call.user, call.key);
            ReservationRequest {
                order_id,
                user,
                quantity: Quantity::try_from(i64::from(call.quantity)).unwrap(),
            }
        };
        let requests: Vec<_> = calls.iter().map(request).collect();
        let reservations = self.store.reserve(&context, requests).await.unwrap();
        let outcomes = reservations
            .into_iter()
            .map(|reservation| match reservation.unwrap() {
                Reservation::Reserved(record) => format!("reserved {}", record.number.sequence),
                Reservation::Known { record, waiting } => {
                    format!("known {} {waiting}", record.number.sequence)
                }
                other => format!("{other:?}"),
            });
        outcomes.collect()
    }

    pub async fn cancel(&self, user: u8, key: u8, high_water_mark: SequenceNumber) -> String {
        let (id, _) = self.order_id(user, key);
        let change = self.store.cancel(self.context(high_water_mark), id);
        outcome(change.await.unwrap(), |record| {
            record.cancel.unwrap().number
        })
    }

    pub async fn restock(&self, key: u8, units: u32, high_water_mark: SequenceNumber) -> String {
        let key = IdempotencyKey::parse(&key.to_string()).unwrap();
        let id = RestockId::derive(&self.product, &key);
        let units = Total::try_from(i64::from(units)).unwrap();
        let sale = self.context(high_water_mark);
        let change = self.store.restock(sale, id, units);
        outcome(change.await.unwrap(), |restock| restock.number)
    }

    pub async fn close(&self, high_water_mark: SequenceNumber) -> String {
        let change = self.store.close_sale(self.context(high_water_mark));
        outcome(change.await.unwrap(), |closing| closing.number)
    }
}

pub fn number(sequence: u32) -> SequenceNumber {
    SequenceNumber { epoch: 1, sequence }
}

fn outcome<T: std::fmt::Debug>(change: Change<T>, number: impl Fn(T) -> SequenceNumber) -> String {
    match change {
        Change::Noted { change, waiting } => {
            format!("recorded {} {waiting}", number(change).sequence)
        }
        other => format!("{other:?}"),
    }
}

async fn compare(store: ReservationStore, calls: Vec<(Call, bool)>) {
    let redis = RedisSale::new(store).await;
    let mut model = SaleModel::default();
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
            let expected = match model.opened_total {
                None => Claim::Claimed,
                Some(known) if known == total => Claim::Same,
                Some(_) => Claim::Different(vec!["quantity".to_owned()]),
            };
            model.claim(total);
            assert_eq!(redis.claim(total).await, expected);
        }
        // One call to Redis, one by one in the model.
        Call::Reserve(ref calls) => {
            let expected: Vec<_> = calls.iter().map(|call| model.reserve(*call)).collect();
            assert_eq!(redis.reserve(calls, high_water_mark).await, expected);
        }
        Call::Cancel { user, key } => {
            let expected = model.cancel(user, key);
            assert_eq!(redis.cancel(user, key, high_water_mark).await, expected);
        }
        Call::Restock { key, units } => {
            let units = units.into();
            let expected = model.restock(key, units);
            assert_eq!(redis.restock(key, units, high_water_mark).await, expected);
        }
        Call::Close => assert_eq!(redis.close(high_water_mark).await, model.close()),
        Call::Ack { sequence } => match model.ack(sequence) {
            Some(false) => {
                let entries = vec![number(sequence).to_string()];
                let acked = redis.store.ack_all(&redis.keys, entries).await;
                assert_eq!(acked.unwrap(), 1);
            }
            makes_room => {
                let applied = redis.store.ack_and_apply(&redis.keys, number(sequence));
                let expected = match makes_room {
                    Some(_) => Acked::Applied,
                    None => Acked::Gone,
                };
                assert_eq!(applied.await.unwrap(), expected);
            }
        },
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
    let entries = page.entries.iter().map(|entry| entry.number.sequence);
    let entries: Vec<u32> = entries.collect();
    let expected: Vec<u32> = model.outbox.keys().copied().collect();
    assert_eq!((entries, page.highest.sequence), (expected, model.sequence));
    assert_eq!(page.state == "closed", model.is_closed());
    // Otherwise no relay would see the entries.
    assert!(model.outbox.is_empty() || redis.indexed().await.is_some());

    let sale = redis.store.sale(&redis.product).await.unwrap();
    let units = sale.map(|view| (view.remaining, view.total.get()));
    let total = model.opened_total.map(|total| total + model.restocked);
    assert_eq!(units, total.map(|total| (model.remaining, total)));
}

pub fn redis_url() -> String {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is set: run `make test`");
    format!("{url}/{REDIS_DATABASE}")
}

pub fn connect() -> ReservationStore {
    let settings = RedisSettings {
        redis_url: redis_url(),
        redis_ca_file: None,
        redis_timeout_ms: 1_000,
        redis_connections: 1,
        redis_wait_replicas: 0,
        on_redis_loss: OnRedisLoss::Stop,
    };
    let metrics = GateMetrics::register(&Registry::new(), "ingest_api");
    ReservationStore::connect(&settings, metrics).unwrap()
}

#[test]
fn random_calls_some_of_them_repeated_do_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let store = connect();
    let calls = prop::collection::vec((call(), any::<bool>()), 1..40);
    let mut runner = TestRunner::new(Config {
        cases: 128,
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
            runtime.block_on(compare(store.clone(), calls));
            Ok(())
        })
        .unwrap();
}
