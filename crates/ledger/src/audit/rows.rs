use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::ids::{OrderId, ProductId, Tag};
use fluxgate_domain::queue::QueueSettings;
use fluxgate_domain::{OrderFacts, OrderStatus, SequenceNumber, Terms};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::AuditError;
use crate::columns::{self, UnreadableRow};

/// A row of `stock_ledger`, with the numbers of its series.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LedgerRow {
    pub product: ProductId,
    pub total: i64,
    pub sold: i64,
    /// Units of completed orders; they are among those that are sold.
    pub completed: i64,
    pub opens_at: Timestamp,
    /// The time in its order ids.
    pub id_time: Timestamp,
    pub closes_at: Option<Timestamp>,
    /// When the sale ends or ended, by schedule or by an admin.
    pub ends_at: Option<Timestamp>,
    pub per_user_limit: Option<i64>,
    /// The highest written number.
    pub highest: SequenceNumber,
    /// The lowest epoch that is accepted.
    pub fenced_epoch: u32,
    /// Rows of orders, without those that were read before the opening of the sale.
    pub written: i64,
    pub partition: i32,
    /// `None`: opened by version 0.2 or earlier.
    pub terms: Option<Terms>,
    /// How many joined the queue before its start; `None`: it has not started, or there is none.
    pub queue_joined: Option<i64>,
}

/// A row of `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OrderRow {
    pub id: OrderId,
    pub user: String,
    pub quantity: i64,
    pub number: SequenceNumber,
    pub placed_at: Timestamp,
    pub facts: OrderFacts,
}

impl OrderRow {
    /// Whether the order never had units, and the one that has its key now has this number.
    pub fn is_superseded_by(&self, number: SequenceNumber) -> bool {
        self.facts.status() == OrderStatus::Rejected && self.number < number
    }
}

/// What the orders of one user come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub user: String,
    /// Units of confirmed and completed orders.
    pub units: i64,
    /// Orders that have expired, or that the user has cancelled.
    pub unpaid: i64,
}

/// A row of `sale_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ChangeRow {
    pub id: String,
    pub kind: ChangeKind,
    pub units: i64,
    pub number: SequenceNumber,
    pub at: Timestamp,
    /// How the queue is served after the change, if that has changed it.
    pub queue_settings: Option<QueueSettings>,
}

/// A dead letter with a number of the sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DeadLetter {
    /// The order that it names, if it names one.
    pub order: Option<OrderId>,
    /// Units of a new order; 0 for any other event.
    pub quantity: i64,
    /// Whether the order gives its units back: it was cancelled, or has expired.
    pub is_cancel: bool,
    /// Whether the order was paid.
    pub is_completion: bool,
    pub number: SequenceNumber,
}

/// What is written about a sale, without its orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WrittenSale {
    pub sale: Option<LedgerRow>,
    pub changes: Vec<ChangeRow>,
    pub dead_letters: Vec<DeadLetter>,
}

impl LedgerRow {
    /// The lowest and highest id of its orders. Other ids exist if Redis lost the sale before its opening was written,
    /// and the sale was opened again at another time.
    pub(super) fn order_id_bounds(&self) -> [Uuid; 2] {
        let id_time_ms = self.id_time.as_millisecond();
        OrderId::bounds(Tag::of(&self.product), id_time_ms).map(OrderId::as_uuid)
    }

    /// Whether its orders have to be paid before their holds end.
    pub fn has_holds(&self) -> bool {
        self.terms.is_some_and(|terms| terms.holds().is_some())
    }

    /// Whether orders wait for their payment: then the sale is not over, although it may take no orders any more.
    pub fn has_live_holds(&self) -> bool {
        self.has_holds() && self.sold > self.completed
    }

    /// Whether `orders` rows are all that the sale has; `uncounted` rows are not in `written`.
    pub(super) fn has_only(&self, orders: i64, uncounted: i64) -> bool {
        orders == self.written + uncounted
    }

    pub(super) fn read(row: &Row) -> Result<Self, AuditError> {
        Ok(Self {
            product: columns::product_id(row.try_get("product_id")?)?,
            total: row.try_get("total")?,
            sold: row.try_get("sold")?,
            completed: row.try_get("completed")?,
            opens_at: row.try_get("opens_at")?,
            id_time: row.try_get("id_time")?,
            closes_at: row.try_get("closes_at")?,
            ends_at: row.try_get("ends_at")?,
            per_user_limit: row.try_get("per_user_limit")?,
            highest: columns::number(row.try_get("epoch")?, row.try_get("last_sequence")?)?,
            fenced_epoch: columns::epoch(row.try_get("fenced_epoch")?)?,
            written: row.try_get("written")?,
            partition: row.try_get("partition")?,
            terms: columns::terms(row.try_get("terms")?)?,
            queue_joined: row.try_get("queue_joined")?,
        })
    }
}

impl OrderRow {
    pub(super) fn read(row: &Row) -> Result<Self, AuditError> {
        let quantity: i32 = row.try_get(2)?;
        Ok(Self {
            id: columns::order_id(row.try_get(0)?)?,
            user: row.try_get(1)?,
            quantity: quantity.into(),
            number: columns::number(row.try_get(3)?, row.try_get(4)?)?,
            placed_at: row.try_get(5)?,
            facts: columns::facts::<AuditError>(row, 6)?,
        })
    }
}

impl UserRow {
    pub(super) fn read(row: &Row) -> Result<Self, AuditError> {
        Ok(Self {
            user: row.try_get(0)?,
            units: row.try_get(1)?,
            unpaid: row.try_get(2)?,
        })
    }
}

impl ChangeRow {
    pub(super) fn read(row: &Row) -> Result<Self, AuditError> {
        let kind = ChangeKind::read(row.try_get(1)?);
        Ok(Self {
            id: row.try_get(0)?,
            kind: kind.ok_or(UnreadableRow("the kind of a change"))?,
            units: row.try_get(2)?,
            number: columns::number(row.try_get(3)?, row.try_get(4)?)?,
            at: row.try_get(5)?,
            queue_settings: columns::queue_settings(row.try_get(6)?)?,
        })
    }
}

impl DeadLetter {
    /// A dead letter may hold anything: `None` if it has no number of ours.
    pub(super) fn read(row: &Row) -> Option<Self> {
        let value: &[u8] = row.try_get(0).ok()?;
        let event: serde_json::Value = serde_json::from_slice(value).ok()?;
        let half = |name| u32::try_from(event.get(name)?.as_u64()?).ok();
        let number = |epoch, sequence| Some(SequenceNumber::new(half(epoch)?, half(sequence)?));
        let order = event.get("orderId").and_then(|id| id.as_str());
        let cancel = number("cancelEpoch", "cancelSequence");
        let completion = number("completionEpoch", "completionSequence");
        let later = cancel.or(completion);
        let quantity = event.get("quantity").and_then(|units| units.as_i64());
        Some(Self {
            order: order.and_then(|id| id.parse().ok()),
            quantity: match (later, order) {
                (None, Some(_)) => quantity.unwrap_or_default(),
                _ => 0,
            },
            is_cancel: cancel.is_some(),
            is_completion: completion.is_some(),
            number: later.or_else(|| number("epoch", "sequence"))?,
        })
    }
}
