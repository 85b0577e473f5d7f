use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;

use super::{Ledger, Unavailable};
use fluxgate_domain::SequenceNumber;

/// What the ledger knows of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// When it closes; `None`: open-ended.
    pub closes_at: Option<Timestamp>,
    /// The highest number among what is written of it: orders, changes, fences.
    pub highest: SequenceNumber,
}

const SELECT: &str = "SELECT least(closes_at, closed_at), epoch, last_sequence FROM stock_ledger WHERE product_id = $1";
/// Of many sales at once.
const SELECT_HIGHEST: &str =
    "SELECT product_id, epoch, last_sequence FROM stock_ledger WHERE product_id = ANY($1)";

impl Ledger {
    /// The ledger's entry of a sale; `None` where there is none.
    ///
    /// # Errors
    /// When PostgreSQL gave no usable answer.
    pub async fn entry(&self, product: &ProductId) -> Result<Option<Entry>, Unavailable> {
        self.read("entry", async |client| {
            let select = client.prepare_cached(SELECT).await?;
            let Some(row) = client.query_opt(&select, &[&product.as_str()]).await? else {
                return Ok(None);
            };
            Ok(Some(Entry {
                closes_at: row.try_get(0)?,
                highest: number(row.try_get(1)?, row.try_get(2)?),
            }))
        })
        .await
    }

    /// The highest number written of each of these sales.
    ///
    /// # Errors
    /// When PostgreSQL gave no usable answer.
    pub async fn highest(
        &self,
        products: &[&str],
    ) -> Result<Vec<(String, SequenceNumber)>, Unavailable> {
        self.read("highest", async |client| {
            let select = client.prepare_cached(SELECT_HIGHEST).await?;
            let rows = client.query(&select, &[&products]).await?;
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, number(row.try_get(1)?, row.try_get(2)?))))
                .collect()
        })
        .await
    }
}

pub(super) fn number(epoch: i32, sequence: i64) -> SequenceNumber {
    SequenceNumber {
        epoch: u32::try_from(epoch).unwrap_or_default(),
        sequence: u32::try_from(sequence).unwrap_or(u32::MAX),
    }
}
