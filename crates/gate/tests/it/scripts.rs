//! The scripts against a plain model: the same calls, the same answers, the same state.

use std::collections::BTreeMap;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{
    IdempotencyKey, OrderId, ProductId, Quantity, RestockId, Tag, Total, UserId,
};
use fluxgate_gate::{
    Change, Claim, Reservation, ReservationContext, ReservationRequest, ReservationStore, SaleKeys,
    Terms,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use crate::fixture::{World, unique};

#[derive(Debug, Clone)]
enum Call {
    Claim { total: u32 },
    Reserve(Vec<Wish>),
    Cancel { user: u8, key: u8 },
    Restock { key: u8, units: u8 },
    Close,
    Clear { sequence: u32 },
    Witness { sequence: u32 },
}

/// User, key, quantity.
type Wish = (u8, u8, u8);

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => (5u32..7).prop_map(|total| Call::Claim { total }),
        12 => prop::collection::vec((0u8..3, 0u8..6, 1u8..4), 1..5).prop_map(Call::Reserve),
        6 => (0u8..3, 0u8..6).prop_map(|(user, key)| Call::Cancel { user, key }),
        3 => (0u8..3, 1u8..4).prop_map(|(key, units)| Call::Restock { key, units }),
        1 => Just(Call::Close),
        8 => (0u32..12).prop_map(|sequence| Call::Clear { sequence }),
        2 => (0u32..12).prop_map(|sequence| Call::Witness { sequence }),
    ]
}

const LIMIT: u32 = 4;
/// Nearly the most units a sale may have, so that restocks reach it.
const MUCH: u32 = 999_999_990;

/// What the sale should be.
#[derive(Default)]
struct Model {
    total: Option<u32>,
    planned: u32,
    added: u32,
    state: State,
    remaining: u32,
    sequence: u32,
    high_water_mark: u32,
    orders: BTreeMap<(u8, u8), Order>,
    restocks: BTreeMap<u8, (u32, u32)>,
    closed: Option<u32>,
    held: BTreeMap<u8, u32>,
    outbox: BTreeMap<u32, Entry>,
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Opening,
    Open,
    Closed,
}

struct Order {
    sequence: u32,
    quantity: u32,
    cancel: Option<u32>,
}

#[derive(Clone, Copy)]
enum Entry {
    Opening,
    Order,
    Cancel(u8, u8),
    Restock(u8),
    Closing,
}

impl Model {
    fn is_lost(&self) -> bool {
        self.sequence < self.high_water_mark
    }

    fn next(&mut self, entry: Entry) -> u32 {
        self.sequence += 1;
        self.outbox.insert(self.sequence, entry);
        self.sequence
    }

    fn reserve(&mut self, (user, key, quantity): Wish) -> String {
        if let Some(order) = self.orders.get(&(user, key)) {
            let waiting = self.outbox.contains_key(&order.sequence);
            return format!("known {} {waiting}", order.sequence);
        }
        let quantity = u32::from(quantity);
        let held = self.held.get(&user).copied().unwrap_or_default();
        if self.total.is_none() {
            "Unknown".into()
        } else if self.is_lost() {
            "Behind".into()
        } else if self.state == State::Opening {
            "NotOpen { opens_in_ms: 0 }".into()
        } else if self.state == State::Closed {
            "Closed".into()
        } else if self.remaining == 0 {
            "SoldOut".into()
        } else if held + quantity > LIMIT {
            "UserLimit".into()
        } else if self.remaining < quantity {
            "Insufficient".into()
        } else {
            self.held.insert(user, held + quantity);
            self.remaining -= quantity;
            let sequence = self.next(Entry::Order);
            let order = Order {
                sequence,
                quantity,
                cancel: None,
            };
            self.orders.insert((user, key), order);
            format!("reserved {sequence}")
        }
    }

    fn cancel(&mut self, user: u8, key: u8) -> String {
        let lost = self.is_lost();
        let Some(order) = self.orders.get(&(user, key)) else {
            return "Unknown".into();
        };
        let sequence = match order.cancel {
            Some(sequence) => sequence,
            None if lost => return "Behind".into(),
            None => {
                let sequence = self.next(Entry::Cancel(user, key));
                let order = self.orders.get_mut(&(user, key)).unwrap();
                order.cancel = Some(sequence);
                sequence
            }
        };
        self.noted(sequence)
    }

    fn restock(&mut self, key: u8, units: u32) -> String {
        if let Some((sequence, _)) = self.restocks.get(&key) {
            return self.noted(*sequence);
        }
        let Some(total) = self.total else {
            return "Unknown".into();
        };
        if self.is_lost() {
            "Behind".into()
        } else if self.state == State::Closed {
            "Closed".into()
        } else if self.state == State::Opening {
            "NotOpen".into()
        } else if total + self.planned + units > Total::MAX.get() {
            "TooMany".into()
        } else {
            self.planned += units;
            let sequence = self.next(Entry::Restock(key));
            self.restocks.insert(key, (sequence, units));
            self.noted(sequence)
        }
    }

    fn close(&mut self) -> String {
        if self.total.is_none() {
            return "Unknown".into();
        }
        let sequence = match self.closed {
            Some(sequence) => sequence,
            None if self.is_lost() => return "Behind".into(),
            None if self.state == State::Opening => return "NotOpen".into(),
            None => {
                self.state = State::Closed;
                let sequence = self.next(Entry::Closing);
                self.closed = Some(sequence);
                sequence
            }
        };
        self.noted(sequence)
    }

    fn noted(&self, sequence: u32) -> String {
        format!("noted {sequence} {}", self.outbox.contains_key(&sequence))
    }

    /// Takes an entry out of the outbox, with its effect; whether it has one.
    fn clear(&mut self, sequence: u32) -> Option<bool> {
        let entry = self.outbox.remove(&sequence)?;
        match entry {
            Entry::Order | Entry::Closing => return Some(false),
            Entry::Opening => self.state = State::Open,
            Entry::Cancel(user, key) => {
                let quantity = self.orders[&(user, key)].quantity;
                self.remaining += quantity;
                *self.held.get_mut(&user).unwrap() -= quantity;
            }
            Entry::Restock(key) => {
                let (_, units) = self.restocks[&key];
                self.remaining += units;
                self.added += units;
            }
        }
        Some(true)
    }
}

struct Real {
    stock: ReservationStore,
    product: ProductId,
    keys: SaleKeys,
    opens_at: Timestamp,
}

impl Real {
    fn order_id(&self, user: u8, key: u8) -> (OrderId, UserId) {
        let user = UserId::parse(&format!("user {user}")).unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        let (tag, ms) = (Tag::of(&self.product), self.opens_at.as_millisecond());
        let id = OrderId::derive(&self.product, tag, ms, &user, &key);
        (id, user)
    }

    async fn reserve(&self, wishes: &[Wish], high_water_mark: u32) -> Vec<String> {
        let sale = ReservationContext {
            keys: &self.keys,
            opened_at: self.opens_at,
            high_water_mark: number(high_water_mark),
            outbox_max: 1_000,
        };
        let ask = |&(user, key, quantity): &Wish| {
            let (order_id, user) = self.order_id(user, key);
            ReservationRequest {
                order_id,
                user,
                quantity: Quantity::try_from(i64::from(quantity)).unwrap(),
            }
        };
        let asks: Vec<_> = wishes.iter().map(ask).collect();
        let reservations = self.stock.reserve(&sale, asks).await.unwrap();
        let told = reservations
            .into_iter()
            .map(|reservation| match reservation.unwrap() {
                Reservation::Reserved(record) => format!("reserved {}", record.number.sequence),
                Reservation::Known { record, waiting } => {
                    format!("known {} {waiting}", record.number.sequence)
                }
                other => format!("{other:?}"),
            });
        told.collect()
    }

    async fn cancel(&self, user: u8, key: u8, high_water_mark: u32) -> String {
        let (id, _) = self.order_id(user, key);
        let asked = self.stock.cancel(&self.keys, id, number(high_water_mark));
        told(asked.await.unwrap(), |record| record.cancel.unwrap().number)
    }

    async fn restock(&self, key: u8, units: u32, high_water_mark: u32) -> String {
        let key = IdempotencyKey::parse(&key.to_string()).unwrap();
        let id = RestockId::derive(&self.product, &key);
        let units = Total::try_from(i64::from(units)).unwrap();
        let high_water_mark = number(high_water_mark);
        let asked = self.stock.restock(&self.keys, id, units, high_water_mark);
        told(asked.await.unwrap(), |restock| restock.number)
    }

    async fn close(&self, high_water_mark: u32) -> String {
        let asked = self.stock.close_sale(&self.keys, number(high_water_mark));
        told(asked.await.unwrap(), |closing| closing.number)
    }
}

fn number(sequence: u32) -> SequenceNumber {
    SequenceNumber { epoch: 1, sequence }
}

fn told<T: std::fmt::Debug>(change: Change<T>, number: impl Fn(T) -> SequenceNumber) -> String {
    match change {
        Change::Noted { change, waiting } => {
            format!("noted {} {waiting}", number(change).sequence)
        }
        other => format!("{other:?}"),
    }
}

async fn compare(stock: ReservationStore, calls: Vec<(Call, bool)>) {
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
            same_state(&real, &model).await;
        }
    }
}

async fn step(real: &Real, model: &mut Model, call: &Call) {
    let high_water_mark = model.high_water_mark;
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
                model.outbox.insert(0, Entry::Opening);
            }
            let claimed = real.stock.claim(&real.product, &terms, 0).await.unwrap();
            assert_eq!(claimed, expected);
        }
        // The model takes them one by one.
        Call::Reserve(ref wishes) => {
            let expected: Vec<_> = wishes.iter().map(|wish| model.reserve(*wish)).collect();
            assert_eq!(real.reserve(wishes, high_water_mark).await, expected);
        }
        Call::Cancel { user, key } => {
            let expected = model.cancel(user, key);
            assert_eq!(real.cancel(user, key, high_water_mark).await, expected);
        }
        Call::Restock { key, units } => {
            let expected = model.restock(key, units.into());
            assert_eq!(
                real.restock(key, units.into(), high_water_mark).await,
                expected
            );
        }
        Call::Close => assert_eq!(real.close(high_water_mark).await, model.close()),
        Call::Clear { sequence } => match model.clear(sequence) {
            Some(false) => {
                let entries = vec![number(sequence).to_string()];
                let cleared = real.stock.ack_all(&real.keys, entries).await;
                assert_eq!(cleared.unwrap(), 1);
            }
            made_room => {
                let cleared = real.stock.ack_and_apply(&real.keys, number(sequence));
                assert_eq!(cleared.await.unwrap(), made_room.is_some());
            }
        },
        Call::Witness { sequence } => model.high_water_mark = sequence,
    }
}

async fn same_state(real: &Real, model: &Model) {
    let until = SequenceNumber {
        epoch: u32::MAX,
        sequence: 0,
    };
    let page = real.stock.read_outbox(&real.keys, None, until, 100);
    let page = page.await.unwrap();
    let waiting = page.entries.iter().map(|entry| entry.number.sequence);
    let waiting: Vec<u32> = waiting.collect();
    let expected: Vec<u32> = model.outbox.keys().copied().collect();
    assert_eq!((waiting, page.highest.sequence), (expected, model.sequence));
    assert_eq!(page.state == "closed", model.closed.is_some());

    let sale = real.stock.sale(&real.product).await.unwrap();
    let seen = sale.map(|view| (view.remaining, view.total.get()));
    let total = model.total.map(|total| total + model.added);
    assert_eq!(seen, total.map(|total| (model.remaining, total)));
}

#[test]
fn random_calls_sometimes_sent_twice_do_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    // A database of its own: the sweepers of other tests would publish what waits here.
    let stock = runtime.block_on(World::new()).stock();
    let calls = prop::collection::vec((call(), any::<bool>()), 1..40);
    let mut runner = TestRunner::new(Cases {
        cases: 128,
        failure_persistence: None,
        ..Cases::default()
    });
    // A sale that was never opened shows little: most runs begin with one that is, some with one
    // that has nearly as many units as a sale may have.
    let total = prop_oneof![1 => Just(None), 3 => Just(Some(6)), 1 => Just(Some(MUCH))];
    runner
        .run(&(total, calls), |(total, mut calls)| {
            if let Some(total) = total {
                calls.insert(0, (Call::Claim { total }, true));
                calls.insert(1, (Call::Clear { sequence: 0 }, true));
            }
            runtime.block_on(compare(stock.clone(), calls));
            Ok(())
        })
        .unwrap();
}
