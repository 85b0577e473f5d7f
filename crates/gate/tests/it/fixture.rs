//! A sale in a Redis of its own, and what the calls for it answer.

use std::sync::Mutex;
use std::time::Duration;

use fluxgate_domain::ids::{
    HoldSeconds, IdempotencyKey, OrderId, OrdersPerSecond, OrdersPerUser, ProductId, Quantity,
    RestockId, Tag, Total, UnpaidPerUser, UserId,
};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_domain::{QueueTerms, SequenceNumber, Terms};
use fluxgate_gate::{
    Ack, Acked, Amendment, Answer, Change, ChangeContext, Claim, GateError, IndexedSale,
    OptionalKeys, Reservation, ReservationContext, ReservationRequest, ReservationStore,
    Retirement, SaleAcks, SaleKeys, SaleRequests,
};
use jiff::Timestamp;

pub use crate::connections::{
    connect, connect_to, connect_waiting_for_a_replica, redis, redis_url,
};
use crate::sale_model::{OrderCall, UNPAID_PER_USER, USER_LIMIT};

/// A sale in Redis.
pub struct RedisSale {
    pub store: ReservationStore,
    pub product: ProductId,
    pub keys: SaleKeys,
    pub opens_at: Timestamp,
    /// Whether the orders of a call share an outbox entry.
    pub shares_entries: bool,
    /// Units that one user may hold.
    pub user_limit: Option<u32>,
    pub orders_per_second: Option<OrdersPerSecond>,
    pub orders_per_user: Option<OrdersPerUser>,
    /// Whether orders have to be paid.
    pub has_holds: bool,
    /// Unpaid orders at which a user gets no further one, in a sale with holds.
    pub unpaid_per_user: u32,
    /// The queue that buyers wait in.
    pub queue: Option<QueueTerms>,
    /// What retirements left to be removed from the index, the oldest last.
    retired: Mutex<Vec<(IndexedSale, u32)>>,
}

impl RedisSale {
    pub async fn new(store: ReservationStore, shares_entries: bool) -> Self {
        let product = format!("model-{}", uuid::Uuid::new_v4().simple());
        let product = ProductId::parse(&product).unwrap();
        let opens_at_ms = store.now().await.unwrap().as_millisecond() - 1_000;
        Self {
            keys: SaleKeys::new(
                &product,
                Tag::of(&product),
                opens_at_ms,
                OptionalKeys::default(),
            ),
            opens_at: Timestamp::from_millisecond(opens_at_ms).unwrap(),
            shares_entries,
            user_limit: Some(USER_LIMIT),
            orders_per_second: None,
            orders_per_user: None,
            has_holds: false,
            unpaid_per_user: UNPAID_PER_USER,
            queue: None,
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

    pub async fn indexed(&self) -> Option<IndexedSale> {
        let indexed = self.store.indexed().await.unwrap();
        indexed.into_iter().find(|it| it.product == self.product)
    }

    pub async fn retire(&self) -> String {
        let indexed = self.indexed().await;
        let keep = Duration::from_secs(60);
        let retirement = self.store.retire(&self.keys, keep).await.unwrap();
        if let (Some(indexed), Retirement::Retired(number)) = (indexed, retirement) {
            self.retired.lock().unwrap().insert(0, (indexed, number));
        }
        format!("{retirement:?}")
    }

    pub async fn unindex(&self) {
        let oldest = self.retired.lock().unwrap().pop();
        if let Some((indexed, number)) = oldest {
            self.store.unindex(&indexed, number).await.unwrap();
        }
    }

    pub fn order_id(&self, user: u8, key: u8) -> (OrderId, UserId) {
        let user = UserId::parse(&format!("user {user}")).unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        let (tag, ms) = (Tag::of(&self.product), self.opens_at.as_millisecond());
        let id = OrderId::derive(&self.product, tag, ms, &user, &key);
        (id, user)
    }

    /// The terms of the sale with another limit per user.
    fn terms(&self, total: u32, user_limit: Option<u32>) -> Terms {
        Terms {
            opens_at: Some(self.opens_at),
            per_user_limit: user_limit,
            orders_per_second: self.orders_per_second,
            orders_per_user: self.orders_per_user,
            hold_seconds: self.has_holds.then(|| HoldSeconds::try_from(60).unwrap()),
            unpaid_per_user: self
                .has_holds
                .then(|| UnpaidPerUser::try_from(self.unpaid_per_user).unwrap()),
            buyer_cancel: self.has_holds.then_some(true),
            queue: self.queue,
            ..Terms::of(Total::try_from(i64::from(total)).unwrap())
        }
    }

    /// The keys of the sale, which follow from its terms.
    pub fn keys_of_terms(&self) -> SaleKeys {
        let optional = OptionalKeys::of(&self.terms(1, None));
        let opens_at_ms = self.opens_at.as_millisecond();
        SaleKeys::new(&self.product, Tag::of(&self.product), opens_at_ms, optional)
    }

    pub async fn claim(&self, total: u32) -> Claim {
        let terms = self.terms(total, self.user_limit);
        self.store.claim(&self.product, &terms, 0).await.unwrap()
    }

    pub fn is_limited(&self) -> bool {
        let is_rate_limited = self.orders_per_second.is_some() || self.orders_per_user.is_some();
        is_rate_limited || self.has_holds
    }

    pub async fn amend(
        &self,
        from: Option<u32>,
        to: Option<u32>,
        high_water_mark: SequenceNumber,
    ) -> String {
        let view = self.store.sale(&self.product).await.unwrap();
        let total = view.map_or(1, |view| view.opened_total.get());
        let [from, to] = [from, to].map(|limit| self.terms(total, limit));
        let amended = self.store.amend(&self.keys, high_water_mark, &from, &to);
        match amended.await.unwrap() {
            Amendment::Amended { record, waiting } => {
                format!("recorded {} {waiting}", record.number.sequence)
            }
            other => format!("{other:?}"),
        }
    }

    pub async fn reserve(
        &self,
        calls: &[OrderCall],
        high_water_mark: SequenceNumber,
    ) -> Vec<String> {
        let is_limited = self.is_limited();
        self.reserve_as(calls, high_water_mark, is_limited).await
    }

    /// The orders of an instance for which the sale has limits, or has none.
    pub async fn reserve_as(
        &self,
        calls: &[OrderCall],
        high_water_mark: SequenceNumber,
        is_limited: bool,
    ) -> Vec<String> {
        let SaleRequests { mut sale, requests } = self.requests(calls, high_water_mark);
        sale.is_limited = is_limited;
        outcomes(self.store.reserve(&sale, requests).await.unwrap())
    }

    pub fn requests(
        &self,
        calls: &[OrderCall],
        high_water_mark: SequenceNumber,
    ) -> SaleRequests<'_> {
        let sale = ReservationContext {
            keys: &self.keys,
            opened_at: self.opens_at,
            is_limited: self.is_limited(),
            high_water_mark,
            outbox_max: 1_000,
            shares_entries: self.shares_entries,
        };
        let request = |call: &OrderCall| {
            let (order_id, user) = self.order_id(call.user, call.key);
            ReservationRequest {
                order_id,
                user,
                quantity: Quantity::try_from(i64::from(call.quantity)).unwrap(),
            }
        };
        SaleRequests {
            sale,
            requests: calls.iter().map(request).collect(),
        }
    }

    /// An open sale.
    pub async fn open(store: ReservationStore, shares_entries: bool, total: u32) -> Self {
        let sale = Self::new(store, shares_entries).await;
        sale.claim_and_open(total).await;
        sale
    }

    pub async fn claim_and_open(&self, total: u32) {
        self.claim(total).await;
        let opened = self.store.ack_and_apply(&self.keys, number(0).into());
        assert_eq!(opened.await.unwrap(), Acked::Applied);
    }

    /// Acknowledges events that take room; returns how many entries were removed.
    pub async fn ack(&self, acks: &[Ack]) -> u64 {
        let keys = &self.keys;
        let mut removed = self
            .store
            .ack_all(&[SaleAcks { keys, acks }])
            .await
            .unwrap();
        removed.remove(0).unwrap()
    }

    pub async fn cancel(&self, user: u8, key: u8, high_water_mark: SequenceNumber) -> String {
        let by = CancelledBy::Shop;
        self.cancel_by(by, user, key, high_water_mark).await
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

pub fn outcomes(answers: Vec<Result<Answer, GateError>>) -> Vec<String> {
    let outcomes =
        answers
            .into_iter()
            .map(|answer| match answer.map(|answer| answer.reservation) {
                Ok(Reservation::Reserved { record, .. }) => {
                    format!("reserved {}", record.number.sequence)
                }
                Ok(Reservation::Known { record, waiting }) => {
                    format!("known {} {waiting}", record.number.sequence)
                }
                Ok(Reservation::RateLimited { .. }) => "RateLimited".to_owned(),
                Ok(Reservation::UserRateLimited { .. }) => "UserRateLimited".to_owned(),
                Ok(other) => format!("{other:?}"),
                Err(error) => error.kind().to_owned(),
            });
    outcomes.collect()
}

pub const fn number(sequence: u32) -> SequenceNumber {
    SequenceNumber { epoch: 1, sequence }
}

pub fn outcome<T: std::fmt::Debug>(
    change: Change<T>,
    number: impl Fn(T) -> SequenceNumber,
) -> String {
    match change {
        Change::Noted { change, waiting } => {
            format!("recorded {} {waiting}", number(change).sequence)
        }
        other => format!("{other:?}"),
    }
}
