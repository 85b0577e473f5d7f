//! Changes of orders and sales: cancel, restock, close, and continuing after Redis has lost writes.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, ProductId, RestockId, Total};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_domain::records::{ClosingRecord, OrderRecord, RestockRecord};
use fred::types::Value;
use fred::types::scripts::Script;
use jiff::Timestamp;

use crate::{GateError, ReservationStore, SaleKeys};

/// Whether a sale continues in a Redis that has lost acknowledged writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossContinuation {
    /// This call began the new epoch.
    Began,
    /// Another call had begun it.
    Already,
    /// Too much is lost, or the sale is being rebuilt.
    Refused,
}

/// How often a change is tried again because the relay has retired its sale meanwhile.
const RETIREMENTS_MAX: usize = 3;

/// The sale that a change is for, and what the caller knows of it.
#[derive(Debug, Clone, Copy)]
pub struct ChangeContext<'a> {
    /// The product of the sale.
    pub product: &'a ProductId,
    /// The keys of the sale.
    pub keys: &'a SaleKeys,
    /// The highest number that this instance has seen.
    pub high_water_mark: SequenceNumber,
    /// Entries that the sale's outbox may hold, with the change's own.
    pub outbox_max: u32,
}

/// The outcome of a requested change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// The change is recorded, by this call or an earlier one.
    Noted {
        /// Its record.
        change: T,
        /// Whether its event waits in the outbox.
        waiting: bool,
    },
    /// This Redis does not have the order or sale.
    Unknown,
    /// The order was rejected: it holds no units.
    Rejected,
    /// The order was not paid in time.
    Expired,
    /// The order was cancelled.
    Cancelled,
    /// The buyer may not cancel the order.
    NotAllowed,
    /// The sale's opening is not on Kafka yet.
    NotOpen,
    /// The sale is closed.
    Closed,
    /// The sale has no queue.
    NoQueue,
    /// The sale would exceed the most units a sale may have.
    TooMany,
    /// Redis is behind the high-water mark: it has lost acknowledged writes. Or the sale is being rebuilt.
    Behind,
    /// A key of the sale is missing: Redis has evicted it, or somebody has deleted it.
    Lost,
    /// The outbox is full: too many changes wait for Kafka.
    OutboxFull,
}

impl ReservationStore {
    /// Marks an order as cancelled, once. Its units count again when the outbox entry is acknowledged.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the order may have been marked.
    pub async fn cancel(
        &self,
        sale: ChangeContext<'_>,
        order_id: OrderId,
        by: CancelledBy,
    ) -> Result<Change<OrderRecord>, GateError> {
        let by = match by {
            CancelledBy::Shop => "",
            CancelledBy::Buyer => "buyer",
        };
        let mut arguments: Vec<Value> = vec![order_id.to_string().into(), by.into()];
        arguments.extend(high_water_mark_arguments(sale.high_water_mark));
        let script = &self.scripts.cancel;
        let reply = self.change("cancel", script, sale, arguments).await?;
        read(reply, "marked", |reply| text(reply, 1)?.parse().ok())
    }

    /// Records a restock, once per id. The units count when the outbox entry is acknowledged.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the restock may have been recorded.
    pub async fn restock(
        &self,
        sale: ChangeContext<'_>,
        id: RestockId,
        units: Total,
    ) -> Result<Change<RestockRecord>, GateError> {
        let mut arguments: Vec<Value> = vec![id.to_string().into(), i64::from(units).into()];
        arguments.extend(high_water_mark_arguments(sale.high_water_mark));
        arguments.push(i64::from(Total::MAX).into());
        arguments.push(i64::from(sale.outbox_max).into());
        let keys = sale.keys;
        let keys = vec![keys.sale.clone(), keys.orders.clone(), keys.outbox.clone()];
        let reply = self
            .run("restock", &self.scripts.restock, keys, arguments)
            .await?;
        read(reply, "noted", |reply| text(reply, 1)?.parse().ok())
    }

    /// Closes a sale at once.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may have been closed.
    pub async fn close_sale(
        &self,
        sale: ChangeContext<'_>,
    ) -> Result<Change<ClosingRecord>, GateError> {
        let arguments = high_water_mark_arguments(sale.high_water_mark).into();
        let script = &self.scripts.close;
        let reply = self.change("close", script, sale, arguments).await?;
        read(reply, "ended", |reply| {
            Some(ClosingRecord {
                number: text(reply, 1)?.parse().ok()?,
                at: Timestamp::from_millisecond(text(reply, 2)?.parse().ok()?).ok()?,
            })
        })
    }

    /// Runs the script of a change that a retired sale takes. Such a sale is put back into the index before the script
    /// writes: otherwise no relay would see the entry.
    async fn change(
        &self,
        call: &'static str,
        script: &Script,
        sale: ChangeContext<'_>,
        arguments: Vec<Value>,
    ) -> Result<Vec<Value>, GateError> {
        let mut indexed = Value::from("");
        for _ in 0..=RETIREMENTS_MAX {
            let mut arguments = arguments.clone();
            arguments.extend([indexed, i64::from(sale.outbox_max).into()]);
            let reply: Vec<Value> = self.run(call, script, sale.keys.all(), arguments).await?;
            if text(&reply, 0).as_deref() != Some("retired") {
                return Ok(reply);
            }
            let Some(retirement) = text(&reply, 1).and_then(|number| number.parse().ok()) else {
                return Err(GateError::unexpected("the number of a retirement", reply));
            };
            self.index_again(sale.product, retirement).await?;
            indexed = i64::from(retirement).into();
        }
        let got = "one that is retired again and again";
        Err(GateError::unexpected("a sale that takes a change", got))
    }

    /// Continues a sale in a new epoch, in a Redis that is behind `high_water_mark`.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn continue_after_loss(
        &self,
        keys: &SaleKeys,
        high_water_mark: SequenceNumber,
    ) -> Result<LossContinuation, GateError> {
        let arguments = high_water_mark_arguments(high_water_mark).into();
        let keys = vec![keys.sale.clone()];
        let (verdict,): (String,) = self
            .run(
                "continue_after_loss",
                &self.scripts.continue_after_loss,
                keys,
                arguments,
            )
            .await?;
        match verdict.as_str() {
            "began" => Ok(LossContinuation::Began),
            "whole" => Ok(LossContinuation::Already),
            "behind" => Ok(LossContinuation::Refused),
            _ => Err(GateError::unexpected(
                "a verdict of continue_after_loss.lua",
                verdict,
            )),
        }
    }
}

pub(crate) fn high_water_mark_arguments(high_water_mark: SequenceNumber) -> [Value; 2] {
    [
        i64::from(high_water_mark.epoch).into(),
        i64::from(high_water_mark.sequence).into(),
    ]
}

pub(crate) fn text(reply: &[Value], i: usize) -> Option<String> {
    reply.get(i)?.as_string()
}

/// Reads a reply that says `noted` or why not. Its last element tells whether the event waits in the outbox.
pub(crate) fn read<T>(
    reply: Vec<Value>,
    noted: &str,
    change: impl Fn(&[Value]) -> Option<T>,
) -> Result<Change<T>, GateError> {
    let verdict = text(&reply, 0).unwrap_or_default();
    let read = match verdict.as_str() {
        verdict if verdict == noted => change(&reply)
            .zip(reply.last().and_then(Value::as_u64))
            .map(|(change, waiting)| Change::Noted {
                change,
                waiting: waiting > 0,
            }),
        "unknown" => Some(Change::Unknown),
        "rejected" => Some(Change::Rejected),
        "expired" => Some(Change::Expired),
        "cancelled" => Some(Change::Cancelled),
        "not_allowed" => Some(Change::NotAllowed),
        "not_open" => Some(Change::NotOpen),
        "closed" => Some(Change::Closed),
        "no_queue" => Some(Change::NoQueue),
        "too_many" => Some(Change::TooMany),
        "behind" => Some(Change::Behind),
        "lost" => Some(Change::Lost),
        "full" => Some(Change::OutboxFull),
        _ => None,
    };
    read.ok_or_else(|| GateError::unexpected("a reply to a change", reply))
}
