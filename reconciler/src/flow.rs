//! Reading in the order in which an order travels: Redis, then Kafka, then PostgreSQL. What has
//! left a store when it is looked at has arrived in the next one by then.

use std::time::Duration;

use fluxgate_core::ids::{ProductId, Tag};
use ingest_api::stock::SaleKeys;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{Stores, Undecided};

/// How often the position is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

impl Stores {
    /// Waits until a partition is written up to where its log ends now, at most `patience`.
    ///
    /// # Errors
    /// When it is not by then, or its log ends before that.
    pub async fn until_all_written(
        &self,
        partition: i32,
        patience: Duration,
    ) -> Result<(), Undecided> {
        let end = self.log.end(partition).await?;
        let position = self.truth.position(partition).await?;
        if position > end {
            // Unless it was written to meanwhile.
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
    /// When it is not by then.
    pub async fn until_written(
        &self,
        partition: i32,
        wanted: i64,
        patience: Duration,
    ) -> Result<(), Undecided> {
        let deadline = Instant::now() + patience;
        loop {
            let position = self.truth.position(partition).await?;
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
}

/// The keys of a sale in Redis.
pub fn keys(product: &ProductId, opens_at: Timestamp) -> SaleKeys {
    SaleKeys::new(product, Tag::of(product), opens_at.as_millisecond())
}
