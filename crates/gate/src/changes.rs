//! What happens to a sale or an order after it was taken: cancel, restock, close.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, RestockId, Total};
use fluxgate_domain::records::{ClosingRecord, OrderRecord, RestockRecord};
use fred::types::Value;
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

/// What came of asking for a change of type `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// It stands, from now or from before.
    Noted {
        /// What was noted.
        change: T,
        /// Whether its event still waits in the outbox.
        waiting: bool,
    },
    /// This Redis does not know its order or sale.
    Unknown,
    /// The order never got its units.
    Rejected,
    /// The sale's opening is not on Kafka yet.
    NotOpen,
    /// The sale is over.
    Closed,
    /// The sale would have more units than a sale may have.
    TooMany,
    /// This Redis stands below the high-water mark: it lost acknowledged writes.
    Behind,
}

impl ReservationStore {
    /// Marks an order as cancelled, once. Its units come back when the entry is cleared.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the order may be marked all the same.
    pub async fn cancel(
        &self,
        keys: &SaleKeys,
        order_id: OrderId,
        high_water_mark: SequenceNumber,
    ) -> Result<Change<OrderRecord>, GateError> {
        let mut arguments: Vec<Value> = vec![order_id.to_string().into()];
        arguments.extend(high_water_mark_arguments(high_water_mark));
        let keys = vec![keys.sale.clone(), keys.orders.clone(), keys.outbox.clone()];
        let reply = self
            .run("cancel", &self.scripts.cancel, keys, arguments)
            .await?;
        read(reply, "marked", |reply| text(reply, 1)?.parse().ok())
    }

    /// Notes that a sale gets more units, once per id. They come when the entry is cleared.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the restock may be noted all the same.
    pub async fn restock(
        &self,
        keys: &SaleKeys,
        id: RestockId,
        units: Total,
        high_water_mark: SequenceNumber,
    ) -> Result<Change<RestockRecord>, GateError> {
        let mut arguments: Vec<Value> = vec![id.to_string().into(), i64::from(units).into()];
        arguments.extend(high_water_mark_arguments(high_water_mark));
        arguments.push(i64::from(Total::MAX).into());
        let keys = vec![keys.sale.clone(), keys.orders.clone(), keys.outbox.clone()];
        let reply = self
            .run("restock", &self.scripts.restock, keys, arguments)
            .await?;
        read(reply, "noted", |reply| text(reply, 1)?.parse().ok())
    }

    /// Ends a sale at once.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may be closed all the same.
    pub async fn close_sale(
        &self,
        keys: &SaleKeys,
        high_water_mark: SequenceNumber,
    ) -> Result<Change<ClosingRecord>, GateError> {
        let keys = vec![keys.sale.clone(), keys.outbox.clone()];
        let reply = self
            .run(
                "close",
                &self.scripts.close,
                keys,
                high_water_mark_arguments(high_water_mark).into(),
            )
            .await?;
        read(reply, "ended", |reply| {
            Some(ClosingRecord {
                number: text(reply, 1)?.parse().ok()?,
                at: Timestamp::from_millisecond(text(reply, 2)?.parse().ok()?).ok()?,
            })
        })
    }

    /// Lets a sale go on in this Redis, which stood below `high-water mark`: it has lost acknowledged writes.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn continue_after_loss(
        &self,
        keys: &SaleKeys,
        high_water_mark: SequenceNumber,
    ) -> Result<LossContinuation, GateError> {
        let arguments = vec![
            i64::from(high_water_mark.epoch).into(),
            i64::from(high_water_mark.sequence).into(),
        ];
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

fn high_water_mark_arguments(high_water_mark: SequenceNumber) -> [Value; 2] {
    [
        i64::from(high_water_mark.epoch).into(),
        i64::from(high_water_mark.sequence).into(),
    ]
}

fn text(reply: &[Value], i: usize) -> Option<String> {
    reply.get(i)?.as_string()
}

/// Reads a reply that says `noted` or why not. Whether it waits is the reply's last part.
fn read<T>(
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
        "not_open" => Some(Change::NotOpen),
        "closed" => Some(Change::Closed),
        "too_many" => Some(Change::TooMany),
        "behind" => Some(Change::Behind),
        _ => None,
    };
    read.ok_or_else(|| GateError::unexpected("what came of a change", reply))
}
