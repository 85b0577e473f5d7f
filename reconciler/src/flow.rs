//! Reads a sale in the order in which an order travels: Redis, Kafka, PostgreSQL. What has left a store before it is read has
//! reached the next one when that is read.

use std::collections::BTreeSet;
use std::time::Duration;

use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_gate::{IndexedSale, OptionalKeys, SaleKeys};
use fluxgate_ledger::{LedgerRow, StoredPosition};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{Stores, Undecided};

/// How often the position is read.
const INTERVAL: Duration = Duration::from_millis(100);

/// Where a sale's data is in the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The time in its order ids: part of the key of its orders hash.
    pub id_time: Timestamp,
    /// Its Kafka partition.
    pub partition: i32,
    /// When it ends or ended, if the ledger knows.
    pub ends_at: Option<Timestamp>,
    /// Which of the keys that only some sales have it has.
    pub optional_keys: OptionalKeys,
    /// Whether orders wait for their payment, if the ledger knows.
    pub has_live_holds: bool,
}

impl Place {
    /// Where the sale of a ledger row is.
    pub fn of(row: &LedgerRow) -> Self {
        let terms = row.terms.as_ref();
        Self {
            id_time: row.id_time,
            partition: row.partition,
            ends_at: row.ends_at,
            optional_keys: terms.map(OptionalKeys::of).unwrap_or_default(),
            has_live_holds: row.has_live_holds(),
        }
    }

    /// Whether it ended at or before `then`, and none of its orders waits for its payment.
    pub fn was_over(&self, then: Timestamp) -> bool {
        !self.has_live_holds && self.ends_at.is_some_and(|at| at <= then)
    }

    /// The keys of the sale in Redis.
    pub fn keys(&self, product: &ProductId) -> SaleKeys {
        let id_time_ms = self.id_time.as_millisecond();
        SaleKeys::new(product, Tag::of(product), id_time_ms, self.optional_keys)
    }
}

impl Stores {
    /// These sales, or all sales of the ledger and of Redis's index. The place is `None` if no store has the sale. Index
    /// entries without a sale are left out.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn sales(
        &self,
        products: &[ProductId],
    ) -> Result<Vec<(ProductId, Option<Place>)>, Undecided> {
        let mut sales = Vec::new();
        if !products.is_empty() {
            for product in products {
                let place = match self.ledger.sale(product).await? {
                    Some(row) => Some(Place::of(&row)),
                    None => self.place_in_redis(product).await?,
                };
                sales.push((product.clone(), place));
            }
            return Ok(sales);
        }
        for row in self.ledger.sales().await? {
            let place = Place::of(&row);
            sales.push((row.product, Some(place)));
        }
        let written: BTreeSet<String> = sales.iter().map(|(id, _)| id.to_string()).collect();
        for IndexedSale { product, .. } in self.gate.indexed().await? {
            if !written.contains(product.as_str())
                && let Some(place) = self.place_in_redis(&product).await?
            {
                sales.push((product, Some(place)));
            }
        }
        Ok(sales)
    }

    async fn place_in_redis(&self, product: &ProductId) -> Result<Option<Place>, Undecided> {
        let view = self.gate.sale(product).await?;
        Ok(view.map(|view| Place {
            id_time: view.facts.id_time,
            partition: view.facts.partition,
            ends_at: None,
            optional_keys: view.facts.optional_keys(),
            has_live_holds: false,
        }))
    }

    /// Waits until a partition is written up to the current end of its log, at most `patience`.
    ///
    /// # Errors
    /// When it is not in time, the partition is halted, or the log ends before the position.
    pub async fn until_all_written(
        &self,
        partition: i32,
        patience: Duration,
    ) -> Result<(), Undecided> {
        let end = self.log.end(partition).await?;
        let position = self.position(partition).await?;
        if position > end {
            // Read again: records may have been written meanwhile.
            let end = self.log.end(partition).await?;
            if position > end {
                return Err(Undecided::Shorter {
                    partition,
                    position,
                    end,
                });
            }
        }
        self.until_written(partition, end, patience).await
    }

    /// Waits until a partition is written up to `wanted`, at most `patience`.
    ///
    /// # Errors
    /// When it is not in time, or the partition is halted.
    pub async fn until_written(
        &self,
        partition: i32,
        wanted: i64,
        patience: Duration,
    ) -> Result<(), Undecided> {
        let deadline = Instant::now() + patience;
        loop {
            let position = self.position(partition).await?;
            if position >= wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Undecided::Behind {
                    partition,
                    position,
                    wanted,
                });
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// The offset up to which a partition is written.
    async fn position(&self, partition: i32) -> Result<i64, Undecided> {
        match self.ledger.position(partition).await? {
            StoredPosition::Read(position) => Ok(position.next),
            StoredPosition::Halted(because) => Err(Undecided::Halted { partition, because }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_over_once_its_end_has_come_and_no_order_waits_for_its_payment() {
        let now = Timestamp::from_second(10).unwrap();
        let was_over = |ends_at: Option<i64>, has_live_holds| {
            let place = Place {
                id_time: Timestamp::UNIX_EPOCH,
                partition: 0,
                ends_at: ends_at.map(|at| Timestamp::from_second(at).unwrap()),
                optional_keys: OptionalKeys::default(),
                has_live_holds,
            };
            place.was_over(now)
        };
        assert!(!was_over(None, false));
        assert!(!was_over(Some(11), false));
        assert!(was_over(Some(10), false));
        assert!(!was_over(Some(10), true));
    }
}
