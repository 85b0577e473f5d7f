use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{OrderId, ProductId, Tag};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::TruthError;

/// A row of `stock_ledger`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LedgerRow {
    pub product: ProductId,
    pub total: i64,
    pub sold: i64,
    pub opens_at: Timestamp,
    pub closes_at: Option<Timestamp>,
    /// When it ends or ended, by itself or by hand.
    pub ends_at: Option<Timestamp>,
    pub per_user_limit: Option<i64>,
    /// The highest number among what is written.
    pub highest: SequenceNumber,
    /// The first epoch whose orders are taken.
    pub fenced_epoch: u32,
    /// Orders with a row, but for those that came before the sale itself.
    pub written: i64,
    pub partition: i32,
}

/// A row of `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Order {
    pub id: OrderId,
    pub user: String,
    pub quantity: i64,
    pub number: SequenceNumber,
    pub status: Status,
    pub cancel: Option<SequenceNumber>,
    pub placed_at: Timestamp,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Status {
    Confirmed,
    Rejected,
    Cancelled,
}

/// A row of `sale_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Change {
    pub id: String,
    pub kind: Kind,
    pub units: i64,
    pub number: SequenceNumber,
    pub at: Timestamp,
}

/// What changed about a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Restock,
    Close,
}

/// A dead letter that bears one of the sale's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buried {
    /// The order it speaks of, if it speaks of one.
    pub order: Option<OrderId>,
    /// Units it asks for; none where it is no new order.
    pub quantity: i64,
    /// Its number.
    pub number: SequenceNumber,
}

/// Everything that is written about a sale, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Written {
    pub sale: Option<LedgerRow>,
    pub orders: Vec<Order>,
    pub changes: Vec<Change>,
    pub buried: Vec<Buried>,
}

impl Written {
    /// Units of the confirmed orders.
    pub fn confirmed(&self) -> i64 {
        let confirmed = self.orders.iter().filter(|o| o.status == Status::Confirmed);
        confirmed.map(|order| order.quantity).sum()
    }
}

impl LedgerRow {
    /// Between which ids its orders are; unless Redis lost the sale before its opening was written, and it was
    /// opened again at another time.
    pub(super) fn bounds(&self) -> [Uuid; 2] {
        let opened_at_ms = self.opens_at.as_millisecond();
        OrderId::bounds(Tag::of(&self.product), opened_at_ms).map(OrderId::as_uuid)
    }

    /// Whether so many orders are all it has, where so many are not in its count.
    pub(super) fn has_only(&self, orders: usize, uncounted: i64) -> bool {
        i64::try_from(orders) == Ok(self.written + uncounted)
    }

    pub(super) fn read(row: &Row) -> Result<Self, TruthError> {
        let product: String = row.try_get("product_id")?;
        let fenced: i32 = row.try_get("fenced_epoch")?;
        Ok(Self {
            product: ProductId::parse(&product)
                .map_err(|_| TruthError::Unreadable("the ledger's product id"))?,
            total: row.try_get("total")?,
            sold: row.try_get("sold")?,
            opens_at: row.try_get("opens_at")?,
            closes_at: row.try_get("closes_at")?,
            ends_at: row.try_get("ends_at")?,
            per_user_limit: row.try_get("per_user_limit")?,
            highest: number(row.try_get("epoch")?, row.try_get("last_sequence")?)?,
            fenced_epoch: u32::try_from(fenced).unwrap_or_default(),
            written: row.try_get("written")?,
            partition: row.try_get("partition")?,
        })
    }
}

impl Order {
    pub(super) fn read(row: &Row) -> Result<Self, TruthError> {
        let id: Uuid = row.try_get(0)?;
        let quantity: i32 = row.try_get(2)?;
        let cancel: Option<i64> = row.try_get(6)?;
        Ok(Self {
            id: OrderId::try_from(id).map_err(|_| TruthError::Unreadable("an order's id"))?,
            user: row.try_get(1)?,
            quantity: quantity.into(),
            number: number(row.try_get(3)?, row.try_get(4)?)?,
            status: match row.try_get(5)? {
                "confirmed" => Status::Confirmed,
                "rejected" => Status::Rejected,
                "cancelled" => Status::Cancelled,
                _ => return Err(TruthError::Unreadable("an order's status")),
            },
            cancel: cancel.map(|bits| SequenceNumber::from_bits(bits.unsigned_abs())),
            placed_at: row.try_get(7)?,
        })
    }
}

impl Change {
    pub(super) fn read(row: &Row) -> Result<Self, TruthError> {
        Ok(Self {
            id: row.try_get(0)?,
            kind: match row.try_get(1)? {
                "restock" => Kind::Restock,
                "close" => Kind::Close,
                _ => return Err(TruthError::Unreadable("the kind of a change")),
            },
            units: row.try_get(2)?,
            number: number(row.try_get(3)?, row.try_get(4)?)?,
            at: row.try_get(5)?,
        })
    }
}

impl Buried {
    /// A dead letter may be anything: `None` where it bears no number of ours.
    pub(super) fn read(row: &Row) -> Option<Self> {
        let value: &[u8] = row.try_get(0).ok()?;
        let event: serde_json::Value = serde_json::from_slice(value).ok()?;
        let number = |epoch, sequence| {
            Some(SequenceNumber {
                epoch: u32::try_from(event.get(epoch)?.as_u64()?).ok()?,
                sequence: u32::try_from(event.get(sequence)?.as_u64()?).ok()?,
            })
        };
        let order = event.get("orderId").and_then(|id| id.as_str());
        let cancel = number("cancelEpoch", "cancelSequence");
        let quantity = event.get("quantity").and_then(|units| units.as_i64());
        Some(Self {
            order: order.and_then(|id| id.parse().ok()),
            quantity: match (cancel, order) {
                (None, Some(_)) => quantity.unwrap_or_default(),
                _ => 0,
            },
            number: cancel.or_else(|| number("epoch", "sequence"))?,
        })
    }
}

fn number(epoch: i32, sequence: i64) -> Result<SequenceNumber, TruthError> {
    let both = u32::try_from(epoch).ok().zip(u32::try_from(sequence).ok());
    let (epoch, sequence) = both.ok_or(TruthError::Unreadable("a number"))?;
    Ok(SequenceNumber { epoch, sequence })
}
