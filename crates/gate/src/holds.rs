//! Holds: orders that have to be paid. They are completed, or they expire.

use std::time::Duration;

use fluxgate_domain::Terms;
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::records::OrderRecord;
use fred::types::Value;
use jiff::Timestamp;

use crate::changes::{high_water_mark_arguments, read, text};
use crate::{Change, ChangeContext, GateError, ReservationStore, SaleKeys};

/// Orders that one call lets expire; `expire.lua` refuses more, and `watch_holds.lua` names no more.
pub const EXPIRIES_PER_CALL_MAX: usize = 100;

/// Orders that one call looks for among the holds; `find_unheld.lua` refuses more.
const UNHELD_PER_CALL_MAX: usize = 500;

/// What `watch_holds.lua` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldsWatch {
    /// Holds that have no grace left, if there are some.
    Due(DueHolds),
    /// Nothing expires before this time: nobody has watched for a while, and payments may have been waiting.
    Paused(Timestamp),
    /// The clocks of Redis and of the caller differ too much. This is Redis's.
    ClockDiffers(Timestamp),
    /// The holds are missing: Redis has evicted them, or somebody has deleted them.
    Lost,
    /// Redis has no such sale, it has no holds, or it is being rebuilt.
    Gone,
}

/// Holds that ended at `cutoff` or before: they have no grace left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueHolds {
    /// The grace before now, by Redis's clock.
    pub cutoff: Timestamp,
    /// When the first of them ended, if there is one.
    pub first: Option<Timestamp>,
    /// The orders of the first ones, at most [`EXPIRIES_PER_CALL_MAX`].
    pub orders: Vec<OrderId>,
}

impl DueHolds {
    /// For how long the first of them has had no grace left.
    pub fn lateness(&self) -> Duration {
        let first = self.first.unwrap_or(self.cutoff);
        Duration::try_from(self.cutoff.duration_since(first)).unwrap_or_default()
    }
}

/// What `expire.lua` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiries {
    /// These orders have expired; their events wait in the outbox.
    Noted(Vec<(OrderId, OrderRecord)>),
    /// Redis does not have the sale.
    Unknown,
    /// Redis is behind the high-water mark: it has lost acknowledged writes. Or the sale is being rebuilt.
    Behind,
    /// A key or a record of the sale is missing: Redis has evicted it, or somebody has deleted it.
    Lost,
    /// The outbox is full: too many events wait for Kafka.
    OutboxFull,
}

/// The field `hold` of a sale on these terms; `None` if it has no holds.
pub fn hold_field(terms: &Terms) -> Option<String> {
    let holds = terms.holds()?;
    let (hold, grace) = (holds.hold.as_millis(), holds.grace.as_millis());
    let (unpaid, buyer_cancel) = (holds.unpaid_per_user.get(), u8::from(holds.buyer_cancel));
    Some(format!("{hold} {grace} {unpaid} {buyer_cancel}"))
}

impl ReservationStore {
    /// Notes that an order was paid, once. It counts at once: the order cannot expire any more.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the order may be completed.
    pub async fn complete(
        &self,
        sale: ChangeContext<'_>,
        order_id: OrderId,
    ) -> Result<Change<OrderRecord>, GateError> {
        let mut arguments: Vec<Value> = vec![order_id.to_string().into()];
        arguments.extend(high_water_mark_arguments(sale.high_water_mark));
        arguments.push(i64::from(sale.outbox_max).into());
        let (keys, script) = (sale.keys.of_orders(), &self.scripts.complete);
        let reply = self.run("complete", script, keys, arguments).await?;
        read(reply, "marked", |reply| text(reply, 1)?.parse().ok())
    }

    /// Asks which holds of a sale have ended, as the instance does that lets orders expire. `now` is its own clock;
    /// the first `skipped` of them are not named.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn watch_holds(
        &self,
        keys: &SaleKeys,
        now: Timestamp,
        skipped: usize,
    ) -> Result<HoldsWatch, GateError> {
        let Some(holds) = &keys.holds else {
            return Ok(HoldsWatch::Gone);
        };
        let skipped = i64::try_from(skipped).unwrap_or(i64::MAX);
        let arguments = vec![now.as_millisecond().into(), skipped.into()];
        let keys = vec![keys.sale.clone(), holds.clone()];
        let script = &self.scripts.watch_holds;
        let reply: Vec<Value> = self.run("watch_holds", script, keys, arguments).await?;
        let time = |i: usize| Timestamp::from_millisecond(reply.get(i)?.as_i64()?).ok();
        let watch = match text(&reply, 0).unwrap_or_default().as_str() {
            "due" => {
                let ids = (3..reply.len()).map(|i| text(&reply, i)?.parse().ok());
                let orders: Option<Vec<OrderId>> = ids.collect();
                let times = time(1).zip(time(2));
                times.zip(orders).map(|((cutoff, first), orders)| {
                    let first = Some(first).filter(|_| !orders.is_empty());
                    HoldsWatch::Due(DueHolds {
                        cutoff,
                        first,
                        orders,
                    })
                })
            }
            "paused" => time(1).map(HoldsWatch::Paused),
            "clock" => time(1).map(HoldsWatch::ClockDiffers),
            "lost" => Some(HoldsWatch::Lost),
            "gone" => Some(HoldsWatch::Gone),
            _ => None,
        };
        watch.ok_or_else(|| GateError::unexpected("a reply of watch_holds.lua", reply))
    }

    /// Which of these orders would never expire: Redis knows of no end of theirs, they have left the outbox, and they are not
    /// among the holds.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn find_unheld(
        &self,
        keys: &SaleKeys,
        orders: &[OrderId],
    ) -> Result<Vec<OrderId>, GateError> {
        let mut found = Vec::new();
        if keys.holds.is_none() {
            return Ok(found);
        }
        for some in orders.chunks(UNHELD_PER_CALL_MAX) {
            let arguments = some.iter().map(|id| id.to_string().into()).collect();
            let script = &self.scripts.find_unheld;
            let unheld: Vec<String> = self
                .run("find_unheld", script, keys.of_orders(), arguments)
                .await?;
            let ids: Option<Vec<OrderId>> = unheld.iter().map(|id| id.parse().ok()).collect();
            found.extend(ids.ok_or_else(|| GateError::unexpected("ids of orders", unheld))?);
        }
        Ok(found)
    }

    /// Lets those of at most [`EXPIRIES_PER_CALL_MAX`] orders expire whose holds ended at `cutoff` or before. Their units count
    /// again when their outbox entries are acknowledged.
    ///
    /// # Errors
    /// When Redis gave no usable answer; orders may have expired.
    pub async fn expire(
        &self,
        sale: ChangeContext<'_>,
        cutoff: Timestamp,
        orders: &[OrderId],
    ) -> Result<Expiries, GateError> {
        if orders.is_empty() {
            return Ok(Expiries::Noted(Vec::new()));
        }
        let mut arguments: Vec<Value> = high_water_mark_arguments(sale.high_water_mark).into();
        arguments.push(cutoff.as_millisecond().into());
        arguments.push(i64::from(sale.outbox_max).into());
        arguments.extend(orders.iter().map(|id| Value::from(id.to_string())));
        let (keys, script) = (sale.keys.of_orders(), &self.scripts.expire);
        let reply: Vec<Value> = self.run("expire", script, keys, arguments).await?;
        let expiries = match text(&reply, 0).unwrap_or_default().as_str() {
            "expired" => {
                let orders = reply[1..].chunks(2);
                let orders = orders.map(|order| {
                    let (id, record) = (text(order, 0)?, text(order, 1)?);
                    Some((id.parse().ok()?, record.parse().ok()?))
                });
                orders.collect::<Option<_>>().map(Expiries::Noted)
            }
            "unknown" => Some(Expiries::Unknown),
            "behind" => Some(Expiries::Behind),
            "lost" => Some(Expiries::Lost),
            "full" => Some(Expiries::OutboxFull),
            _ => None,
        };
        expiries.ok_or_else(|| GateError::unexpected("a reply of expire.lua", reply))
    }
}
