use std::time::Duration;

use fluxgate_domain::events::SaleOpened;
use fluxgate_domain::ids::{ProductId, Tag, Total};
use fluxgate_domain::records::QueueChangeRecord;
use fluxgate_domain::{SequenceNumber, Terms};
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use jiff::Timestamp;

use crate::{GateError, OptionalKeys, ReservationStore, SaleKeys, keys};

/// The facts of a sale that do not change once somebody has ordered. An instance may cache them without expiry: if another
/// one amends the sale, Redis decides by the new facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleFacts {
    /// The product, which names the sale.
    pub product: ProductId,
    /// The hash tag of its keys.
    pub tag: Tag,
    /// The opening time.
    pub opens_at: Timestamp,
    /// The time in every order id of the sale and in a key of it: the opening time, unless the sale was amended. Never changes.
    pub id_time: Timestamp,
    /// The closing time; `None`: open-ended.
    pub closes_at: Option<Timestamp>,
    /// Units that one user may hold.
    pub per_user_limit: Option<u32>,
    /// Whether an order has to be paid before its hold ends; the sale has a key more then. No amendment changes it.
    pub has_holds: bool,
    /// Whether buyers wait in a queue for their turns; the sale has two keys more then. No amendment changes it.
    pub has_queue: bool,
    /// Whether it has the field `limits`: its orders need the larger of the scripts that `reserve.lua` is part of.
    pub is_limited: bool,
    /// The Kafka partition of its events.
    pub partition: i32,
}

impl SaleFacts {
    /// Its keys.
    pub fn keys(&self) -> SaleKeys {
        let id_time_ms = self.id_time.as_millisecond();
        SaleKeys::new(&self.product, self.tag, id_time_ms, self.optional_keys())
    }

    /// Which of the keys that only some sales have it has.
    pub fn optional_keys(&self) -> OptionalKeys {
        OptionalKeys {
            holds: self.has_holds,
            queue: self.has_queue,
        }
    }
}

/// A sale at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleView {
    /// The fixed facts.
    pub facts: SaleFacts,
    /// Everything that was said about the sale.
    pub terms: Terms,
    /// The number of the amendment that the terms are of, if the sale was amended.
    pub amended: Option<SequenceNumber>,
    /// The last change of its queue, if that was changed. Boxed: rare and large, it would enlarge hot futures.
    pub queue_change: Option<Box<QueueChangeRecord>>,
    /// Units for sale in all.
    pub total: Total,
    /// Units at opening.
    pub opened_total: Total,
    /// Units not reserved.
    pub remaining: u32,
    /// Units of orders that are paid, in a sale with holds.
    pub completed: u32,
    /// Claimed, but its opening is not known to be on Kafka: it takes no orders yet.
    pub opening: bool,
    /// Closed by an admin.
    pub closed: bool,
    /// The highest number given out.
    pub number: SequenceNumber,
    /// Until when returned units are not sold, because refusal leases may be valid (`grant_refusal_lease.lua`).
    pub sold_out_until: Option<Timestamp>,
    /// When it was read, by Redis's clock.
    pub seen_at: Timestamp,
}

impl SaleView {
    pub(crate) const FIELDS: [&str; 18] = [
        "state",
        "epoch",
        "seq",
        "total",
        "remaining",
        "opens_at",
        "closes_at",
        "user_limit",
        "partition",
        "opened_total",
        "sold_out_until",
        "asked_opens_at",
        "terms",
        "id_time",
        "amended",
        "completed",
        "limits",
        "queue_changed",
    ];

    /// Reads the reply of `HMGET sale FIELDS`; `None` if there is no such sale or it is being rebuilt.
    pub(crate) fn from_reply(
        product: &ProductId,
        tag: Tag,
        fields: &[Value],
        seen_at: Timestamp,
    ) -> Result<Option<Self>, GateError> {
        let [
            state,
            epoch,
            seq,
            total,
            remaining,
            opens_at,
            closes_at,
            user_limit,
            partition,
            opened_total,
            sold_out_until,
            asked_opens_at,
            terms,
            id_time,
            amended,
            completed,
            limits,
            queue_changed,
        ] = fields
        else {
            return Err(GateError::unexpected("eighteen fields of a sale", fields));
        };
        let Some(state) = state.as_str().filter(|state| *state != "rebuilding") else {
            return Ok(None);
        };
        let read = || {
            let per_user_limit = optional(user_limit, number)?;
            let closes_at = optional(closes_at, timestamp)?;
            let terms = match terms.as_str() {
                Some(json) => Terms::read(&json)?,
                // Opened by version 0.2 or earlier.
                None => Terms {
                    opens_at: optional(asked_opens_at, timestamp)?,
                    closes_at,
                    per_user_limit,
                    ..Terms::of(number::<i64>(opened_total)?.try_into().ok()?)
                },
            };
            let facts = SaleFacts {
                product: product.clone(),
                tag,
                opens_at: timestamp(opens_at)?,
                id_time: match id_time {
                    Value::Null => timestamp(opens_at)?,
                    time => timestamp(time)?,
                },
                closes_at,
                per_user_limit,
                has_holds: terms.holds().is_some(),
                has_queue: terms.queue.is_some(),
                is_limited: !limits.is_null(),
                partition: number(partition)?,
            };
            Some(Self {
                terms,
                facts,
                amended: match amended {
                    Value::Null => None,
                    amended => Some(number(amended)?),
                },
                queue_change: match queue_changed {
                    Value::Null => None,
                    record => Some(Box::new(number(record)?)),
                },
                total: number::<i64>(total)?.try_into().ok()?,
                opened_total: number::<i64>(opened_total)?.try_into().ok()?,
                remaining: number(remaining)?,
                completed: match completed {
                    Value::Null => 0,
                    completed => number(completed)?,
                },
                opening: state == "opening",
                closed: state == "closed",
                number: SequenceNumber {
                    epoch: number(epoch)?,
                    sequence: number(seq)?,
                },
                sold_out_until: match sold_out_until {
                    Value::Null => None,
                    until => Some(timestamp(until)?),
                },
                seen_at,
            })
        };
        read()
            .map(Some)
            .ok_or_else(|| GateError::unexpected("the fields of a sale", fields))
    }

    /// Units of orders that are not paid yet, or were given back and do not count again yet; `None` in a sale without holds.
    pub fn held(&self) -> Option<u32> {
        let taken = self.total.get().saturating_sub(self.remaining);
        let is_known = self.facts.has_holds;
        is_known.then(|| taken.saturating_sub(self.completed))
    }

    /// How long returned units are not sold yet.
    pub fn sold_out_for(&self) -> Duration {
        let until = self.sold_out_until.unwrap_or(self.seen_at);
        Duration::try_from(until.duration_since(self.seen_at)).unwrap_or_default()
    }

    /// The event of the opening.
    pub fn opened_event(&self) -> SaleOpened {
        SaleOpened {
            product_id: self.facts.product.clone(),
            total: self.opened_total,
            opens_at: self.facts.opens_at,
            closes_at: self.facts.closes_at,
            per_user_limit: self.facts.per_user_limit,
            epoch: self.number.epoch,
            partition: self.facts.partition,
            id_time: Some(self.facts.id_time).filter(|time| *time != self.facts.opens_at),
            terms: Some(self.terms),
        }
    }
}

impl ReservationStore {
    /// Reads a sale; `None` if this Redis does not have it or it is being rebuilt.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn sale(&self, product: &ProductId) -> Result<Option<SaleView>, GateError> {
        let tag = Tag::of(product);
        let key = keys::sale(product, tag);
        let read = |client: Client| {
            let key = key.clone();
            async move { client.hmget(key, SaleView::FIELDS.to_vec()).await }
        };
        let fields = self.at::<Vec<Value>, _>("sale", &key, read);
        // The clock of the server that has the sale: its scripts use it.
        let (fields, now) = futures_util::try_join!(fields, self.now_at(&key))?;
        SaleView::from_reply(product, tag, &fields, now)
    }

    /// Redis's clock, which opens and closes sales.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn now(&self) -> Result<Timestamp, GateError> {
        self.now_at(&keys::SALES.into()).await
    }

    pub(crate) async fn now_at(&self, key: &Key) -> Result<Timestamp, GateError> {
        let read = |client: Client| async move {
            let command = CustomCommand::new_static("TIME", ClusterHash::FirstKey, false);
            client.custom(command, Vec::<Value>::new()).await
        };
        let (seconds, micros): (i64, i32) = self.at("time", key, read).await?;
        Timestamp::new(seconds, micros.saturating_mul(1_000))
            .map_err(|_| GateError::unexpected("a time", (seconds, micros)))
    }
}

fn number<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    Timestamp::from_millisecond(number(value)?).ok()
}

/// An empty string stands for none.
fn optional<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.as_str()?.is_empty() {
        Some(None)
    } else {
        read(value).map(Some)
    }
}
