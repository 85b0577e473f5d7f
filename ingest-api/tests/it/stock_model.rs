//! The scripts against a plain model: the same calls, the same answers, the same state.

use std::collections::BTreeMap;

use fluxgate_core::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use ingest_api::stock::{Ask, Claim, KnownSale, Number, Reservation, SaleKeys, Stock, Terms};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use crate::fixture::{World, unique};

#[derive(Debug, Clone)]
enum Call {
    Claim { total: u32 },
    OpenSale,
    Reserve(Vec<Wish>),
    Clear { sequence: u32 },
    Witness { sequence: u32 },
}

/// User, key, quantity.
type Wish = (u8, u8, u8);

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => (5u32..7).prop_map(|total| Call::Claim { total }),
        1 => Just(Call::OpenSale),
        6 => prop::collection::vec((0u8..3, 0u8..6, 1u8..4), 1..5).prop_map(Call::Reserve),
        2 => (1u32..6).prop_map(|sequence| Call::Clear { sequence }),
        1 => (0u32..8).prop_map(|sequence| Call::Witness { sequence }),
    ]
}

const LIMIT: u32 = 4;

/// What the sale should be.
#[derive(Default)]
struct Model {
    total: Option<u32>,
    open: bool,
    remaining: u32,
    sequence: u32,
    witness: u32,
    orders: BTreeMap<(u8, u8), (u32, u8)>,
    held: BTreeMap<u8, u32>,
    outbox: Vec<u32>,
}

impl Model {
    fn reserve(&mut self, user: u8, key: u8, quantity: u8) -> String {
        if let Some((sequence, _)) = self.orders.get(&(user, key)) {
            return format!("known {sequence} {}", self.outbox.contains(sequence));
        }
        let (held, units) = (self.held.entry(user).or_default(), u32::from(quantity));
        if self.total.is_none() {
            "Unknown".into()
        } else if self.sequence < self.witness {
            "Lost".into()
        } else if !self.open {
            "NotOpen { opens_in_ms: 0 }".into()
        } else if *held + units > LIMIT {
            "UserLimit".into()
        } else if self.remaining == 0 {
            "SoldOut".into()
        } else if self.remaining < units {
            "Insufficient".into()
        } else {
            *held += units;
            self.remaining -= units;
            self.sequence += 1;
            self.orders.insert((user, key), (self.sequence, quantity));
            self.outbox.push(self.sequence);
            format!("reserved {}", self.sequence)
        }
    }
}

struct Real {
    stock: Stock,
    product: ProductId,
    keys: SaleKeys,
    opens_at: Timestamp,
}

impl Real {
    fn ask(&self, (user, key, quantity): Wish) -> Ask {
        let user = UserId::parse(&format!("user {user}")).unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        let (tag, ms) = (Tag::of(&self.product), self.opens_at.as_millisecond());
        Ask {
            order_id: OrderId::derive(&self.product, tag, ms, &user, &key),
            user,
            quantity: Quantity::try_from(i64::from(quantity)).unwrap(),
        }
    }

    async fn reserve(&self, wishes: &[Wish], witness: u32) -> Vec<String> {
        let sale = KnownSale {
            keys: &self.keys,
            opened_at: self.opens_at,
            witness: Number {
                epoch: 1,
                sequence: witness,
            },
            outbox_max: 1_000,
        };
        let asks: Vec<_> = wishes.iter().map(|wish| self.ask(*wish)).collect();
        let reservations = self.stock.reserve(&sale, &asks).await.unwrap();
        let told = reservations
            .into_iter()
            .map(|reservation| match reservation {
                Reservation::Reserved(record) => format!("reserved {}", record.number.sequence),
                Reservation::Known { record, waiting } => {
                    format!("known {} {waiting}", record.number.sequence)
                }
                other => format!("{other:?}"),
            });
        told.collect()
    }
}

async fn compare(stock: Stock, calls: Vec<(Call, bool)>) {
    let product = ProductId::parse(&unique("model")).unwrap();
    let opens_at =
        Timestamp::from_millisecond(stock.now().await.unwrap().as_millisecond() - 1_000).unwrap();
    let keys = SaleKeys::new(&product, Tag::of(&product), opens_at.as_millisecond());
    let real = Real {
        stock,
        product,
        keys,
        opens_at,
    };
    let mut model = Model::default();
    for (call, twice) in calls {
        for _ in 0..=usize::from(twice) {
            step(&real, &mut model, &call).await;
        }
    }
}

async fn step(real: &Real, model: &mut Model, call: &Call) {
    match *call {
        Call::Claim { total } => {
            let terms = Terms {
                total: Total::try_from(i64::from(total)).unwrap(),
                opens_at: Some(real.opens_at),
                closes_at: None,
                per_user_limit: Some(LIMIT),
            };
            let expected = match model.total {
                None => Claim::Claimed,
                Some(known) if known == total => Claim::Same,
                Some(_) => Claim::Different,
            };
            if model.total.is_none() {
                (model.total, model.remaining) = (Some(total), total);
                model.outbox.push(0);
            }
            assert_eq!(
                real.stock.claim(&real.product, &terms, 0).await.unwrap(),
                expected
            );
        }
        Call::OpenSale => {
            let expected = model.outbox.contains(&0);
            model.outbox.retain(|sequence| *sequence != 0);
            model.open |= expected;
            let opening = Number {
                epoch: 1,
                sequence: 0,
            };
            assert_eq!(
                real.stock
                    .clear_making_room(&real.keys, opening)
                    .await
                    .unwrap(),
                expected
            );
        }
        Call::Reserve(ref wishes) => {
            let witness = model.witness;
            // The model takes them one by one.
            let expected: Vec<_> = wishes
                .iter()
                .map(|(user, key, quantity)| model.reserve(*user, *key, *quantity))
                .collect();
            assert_eq!(real.reserve(wishes, witness).await, expected);
        }
        Call::Clear { sequence } => {
            let expected = u64::from(model.outbox.contains(&sequence));
            model.outbox.retain(|waiting| *waiting != sequence);
            let cleared = real
                .stock
                .clear_all(&real.keys, vec![format!("1-{sequence}")])
                .await;
            assert_eq!(cleared.unwrap(), expected);
        }
        Call::Witness { sequence } => model.witness = sequence,
    }
    let until = Number {
        epoch: u32::MAX,
        sequence: 0,
    };
    let page = real
        .stock
        .pending(&real.keys, None, until, 100)
        .await
        .unwrap();
    let waiting: Vec<u32> = page
        .entries
        .iter()
        .map(|entry| entry.number.sequence)
        .collect();
    assert_eq!(
        (waiting, page.highest.sequence),
        (model.outbox.clone(), model.sequence)
    );
    let remaining = real
        .stock
        .sale(&real.product)
        .await
        .unwrap()
        .map(|view| view.remaining);
    assert_eq!(remaining, model.total.map(|_| model.remaining));
}

#[test]
fn random_calls_sometimes_sent_twice_do_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let stock = runtime.block_on(World::new()).stock();
    let calls = prop::collection::vec((call(), any::<bool>()), 1..40);
    // A sale that was never opened shows little: most runs begin with one that is.
    let mut runner = TestRunner::new(Cases {
        cases: 96,
        failure_persistence: None,
        ..Cases::default()
    });
    let opened = prop::bool::weighted(0.8);
    runner
        .run(&(opened, calls), |(opened, mut calls)| {
            if opened {
                calls.insert(0, (Call::Claim { total: 6 }, true));
                calls.insert(1, (Call::OpenSale, true));
            }
            runtime.block_on(compare(stock.clone(), calls));
            Ok(())
        })
        .unwrap();
}
