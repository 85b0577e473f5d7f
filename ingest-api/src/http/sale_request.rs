//! The body of `PUT /products/{id}`.

use std::fmt;
use std::marker::PhantomData;

use fluxgate_domain::ids::{
    AdmitPerSecond, HoldGraceSeconds, HoldSeconds, OrdersPerSecond, OrdersPerUser, Overbook,
    ProductId, Total, TurnSeconds, UnpaidPerUser,
};
use fluxgate_domain::queue::{QueueSecret, seed_sha256};
use fluxgate_domain::{QueueTerms, Terms};
use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::problem::Problem;
use crate::sales::OpenError;

/// Unknown fields are refused: a misspelt `perUserLimit` would open a sale without a limit, permanently.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaleRequest {
    quantity: Total,
    #[serde(default, deserialize_with = "time")]
    opens_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    closes_at: Option<Timestamp>,
    per_user_limit: Option<Total>,
    orders_per_second: Option<OrdersPerSecond>,
    orders_per_user: Option<OrdersPerUser>,
    #[serde(default, deserialize_with = "said")]
    hold_seconds: Option<HoldSeconds>,
    #[serde(default, deserialize_with = "said")]
    hold_grace_seconds: Option<HoldGraceSeconds>,
    #[serde(default, deserialize_with = "said")]
    unpaid_per_user: Option<UnpaidPerUser>,
    #[serde(default, deserialize_with = "said")]
    buyer_cancel: Option<bool>,
    #[serde(default, deserialize_with = "said_object")]
    queue: Option<QueueRequest>,
}

/// What is said about a queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueueRequest {
    #[serde(default, deserialize_with = "said_time")]
    join_from: Option<Timestamp>,
    #[serde(default, deserialize_with = "said_time")]
    join_until: Option<Timestamp>,
    admit_per_second: AdmitPerSecond,
    #[serde(default, deserialize_with = "said")]
    turn_seconds: Option<TurnSeconds>,
    #[serde(default, deserialize_with = "said")]
    overbook: Option<Overbook>,
}

impl SaleRequest {
    /// The terms of the sale of `product`. A queue is computed with `secret`; without one there are no queues.
    ///
    /// # Errors
    /// 400 if the terms contradict each other or one needs another; 409 if there are no queues.
    pub fn terms(
        &self,
        product: &ProductId,
        secret: Option<&QueueSecret>,
    ) -> Result<Terms, Problem> {
        if !self.opens_at.is_none_or(is_in_range) {
            return Err(Problem::invalid(
                "opensAt must be after 1970-01-01T00:00:00Z",
            ));
        }
        let opens_at = self.opens_at.unwrap_or_else(Timestamp::now);
        if self
            .closes_at
            .is_some_and(|closes_at| closes_at <= opens_at)
        {
            return Err(Problem::invalid("closesAt must be later than opensAt"));
        }
        self.expect_holds()?;
        let terms = Terms {
            quantity: self.quantity,
            opens_at: self.opens_at.map(to_millisecond),
            closes_at: self.closes_at.map(to_millisecond),
            per_user_limit: self.per_user_limit.map(Total::get),
            orders_per_second: self.orders_per_second,
            orders_per_user: self.orders_per_user,
            hold_seconds: self.hold_seconds,
            hold_grace_seconds: self.hold_grace_seconds,
            unpaid_per_user: self.unpaid_per_user,
            buyer_cancel: self.buyer_cancel,
            queue: None,
        };
        let queue = self.queue.as_ref();
        let queue = queue.map(|queue| queue.terms(product, &terms, secret));
        Ok(Terms {
            queue: queue.transpose()?,
            ..terms
        })
    }

    /// Refuses terms of holds without holds.
    fn expect_holds(&self) -> Result<(), Problem> {
        let of_holds = [
            ("holdGraceSeconds", self.hold_grace_seconds.is_some()),
            ("unpaidPerUser", self.unpaid_per_user.is_some()),
            ("buyerCancel", self.buyer_cancel.is_some()),
        ];
        let said = of_holds.into_iter().find(|(_, is_said)| *is_said);
        match (self.hold_seconds, said) {
            (None, Some((term, _))) => {
                Err(Problem::invalid(format_args!("{term} needs holdSeconds")))
            }
            _ => Ok(()),
        }
    }
}

impl QueueRequest {
    /// The terms of the queue of a sale that is else on the terms `sale`.
    fn terms(
        &self,
        product: &ProductId,
        sale: &Terms,
        secret: Option<&QueueSecret>,
    ) -> Result<QueueTerms, Problem> {
        if sale.per_user_limit.is_none() {
            return Err(Problem::invalid("queue needs perUserLimit"));
        }
        let Some(opens_at) = sale.opens_at else {
            return Err(Problem::invalid("queue needs opensAt"));
        };
        let join_from = self.join_from.map(to_millisecond);
        let join_until = self.join_until.map(to_millisecond);
        if !join_from.is_none_or(is_in_range) {
            let detail = "queue.joinFrom must be after 1970-01-01T00:00:00Z";
            return Err(Problem::invalid(detail));
        }
        if join_from.is_some_and(|from| from >= opens_at) {
            let detail = "queue.joinFrom must be earlier than opensAt";
            return Err(Problem::invalid(detail));
        }
        if join_until.is_some_and(|until| until < opens_at) {
            let detail = "queue.joinUntil must not be earlier than opensAt";
            return Err(Problem::invalid(detail));
        }
        if join_until
            .zip(sale.closes_at)
            .is_some_and(|(until, closes_at)| until > closes_at)
        {
            let detail = "queue.joinUntil must not be later than closesAt";
            return Err(Problem::invalid(detail));
        }
        let secret = secret.ok_or(OpenError::FeatureDisabled {
            term: "queue",
            feature: "queue",
        })?;
        Ok(QueueTerms {
            join_from,
            join_until,
            admit_per_second: self.admit_per_second,
            turn_seconds: self.turn_seconds,
            overbook: self.overbook,
            secret: secret.fingerprint(),
            seed_sha256: seed_sha256(&secret.seed(product, opens_at)),
        })
    }
}

/// Times in Redis are positive.
fn is_in_range(at: Timestamp) -> bool {
    at.as_millisecond() > 0
}

/// Sales open and close on whole milliseconds.
fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Reads a term that is said. `null` is refused: a program that lacks its value would open a sale without holds, permanently.
pub(super) fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads an object that is said. serde would also read an array as the fields of `T` in their order.
fn said_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData)).map(Some)
}

/// Reads a time; the error says what is allowed.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::deserialize(deserializer).map_err(no_time)
}

/// Reads a time that is said.
fn said_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    said(deserializer).map_err(no_time)
}

fn no_time<E: Error>(_: E) -> E {
    E::custom("must be a time such as 2026-11-26T15:16:40.915Z")
}
