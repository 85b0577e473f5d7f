use fluxgate_domain::ids::OrderId;
use jiff::Timestamp;

use super::entries::number;
use super::{Ledger, Unavailable};
use fluxgate_domain::SequenceNumber;

/// An order as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WrittenOrder {
    pub product_id: String,
    pub user_id: String,
    pub quantity: i32,
    /// Its number.
    pub number: SequenceNumber,
    /// `confirmed`, `rejected` or `cancelled`.
    pub status: String,
    pub placed_at: Timestamp,
}

const SELECT: &str =
    "SELECT product_id, user_id, quantity, status, placed_at, epoch, sequence FROM orders
    WHERE order_id = $1";

impl Ledger {
    /// The row of an order; `None` where it is not written (yet).
    ///
    /// # Errors
    /// When PostgreSQL gave no usable answer.
    pub async fn order(&self, order_id: OrderId) -> Result<Option<WrittenOrder>, Unavailable> {
        self.read("order", async |client| {
            let select = client.prepare_cached(SELECT).await?;
            let Some(row) = client.query_opt(&select, &[&order_id.as_uuid()]).await? else {
                return Ok(None);
            };
            Ok(Some(WrittenOrder {
                product_id: row.try_get(0)?,
                user_id: row.try_get(1)?,
                quantity: row.try_get(2)?,
                status: row.try_get(3)?,
                placed_at: row.try_get(4)?,
                number: number(row.try_get(5)?, row.try_get(6)?),
            }))
        })
        .await
    }
}
