//! What happens to a sale or an order after it was taken: cancel, restock, close.

use fluxgate_core::events::{SaleClosed, SaleRestocked};
use fluxgate_core::ids::{OrderId, ProductId, RestockId, Total};
use fred::types::Value;
use jiff::Timestamp;

use super::{Number, Record, SaleKeys, Stock, StockError};

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
    /// This Redis stands below the witness: it lost acknowledged writes.
    Lost,
}

/// A restock, as Redis notes it: `epoch-seq at_ms units`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restock {
    /// Its number.
    pub number: Number,
    /// When it was asked for, by Redis's clock.
    pub at: Timestamp,
    /// Units added.
    pub units: Total,
}

/// The end of a sale by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Its number.
    pub number: Number,
    /// When, by Redis's clock.
    pub at: Timestamp,
}

impl Restock {
    /// The event that tells everybody else.
    pub fn event(&self, id: RestockId, product: &ProductId) -> SaleRestocked {
        SaleRestocked {
            product_id: product.clone(),
            restock_id: id,
            quantity: self.units,
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            restocked_at: self.at,
        }
    }
}

impl std::str::FromStr for Restock {
    type Err = StockError;

    fn from_str(text: &str) -> Result<Self, StockError> {
        let read = || {
            let mut parts = text.split(' ');
            Some(Self {
                number: parts.next()?.parse().ok()?,
                at: Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?,
                units: parts.next()?.parse::<i64>().ok()?.try_into().ok()?,
            })
        };
        read().ok_or_else(|| StockError::unexpected("a restock", text))
    }
}

impl Closing {
    /// Reads `epoch-seq at_ms`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (number, at) = text.split_once(' ')?;
        Some(Self {
            number: number.parse().ok()?,
            at: Timestamp::from_millisecond(at.parse().ok()?).ok()?,
        })
    }

    /// The event that tells everybody else.
    pub fn event(&self, product: &ProductId) -> SaleClosed {
        SaleClosed {
            product_id: product.clone(),
            epoch: self.number.epoch,
            sequence: self.number.sequence,
            closed_at: self.at,
        }
    }
}

impl Stock {
    /// Marks an order as cancelled, once. Its units come back when the entry is cleared.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the order may be marked all the same.
    pub async fn cancel(
        &self,
        keys: &SaleKeys,
        order_id: OrderId,
        witness: Number,
    ) -> Result<Change<Record>, StockError> {
        let mut arguments: Vec<Value> = vec![order_id.to_string().into()];
        arguments.extend(witnessed(witness));
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
        witness: Number,
    ) -> Result<Change<Restock>, StockError> {
        let mut arguments: Vec<Value> = vec![id.to_string().into(), i64::from(units).into()];
        arguments.extend(witnessed(witness));
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
        witness: Number,
    ) -> Result<Change<Closing>, StockError> {
        let keys = vec![keys.sale.clone(), keys.outbox.clone()];
        let reply = self
            .run(
                "close",
                &self.scripts.close,
                keys,
                witnessed(witness).into(),
            )
            .await?;
        read(reply, "ended", |reply| {
            Some(Closing {
                number: text(reply, 1)?.parse().ok()?,
                at: Timestamp::from_millisecond(text(reply, 2)?.parse().ok()?).ok()?,
            })
        })
    }
}

fn witnessed(witness: Number) -> [Value; 2] {
    [
        i64::from(witness.epoch).into(),
        i64::from(witness.sequence).into(),
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
) -> Result<Change<T>, StockError> {
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
        "lost" => Some(Change::Lost),
        _ => None,
    };
    read.ok_or_else(|| StockError::unexpected("what came of a change", reply))
}
