use std::collections::HashMap;

use crate::{Ledger, LedgerError, sql};

impl Ledger {
    /// The positions of all partitions that were ever read.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn positions(&self, topic: &str) -> Result<HashMap<i32, i64>, LedgerError> {
        self.within_deadline(async |client| {
            let rows = client.query(sql::SELECT_POSITIONS, &[&topic]).await?;
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect()
        })
        .await
    }

    /// The offset at which reading a partition starts: behind the last record that was written, 0 for a partition that
    /// was never read.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn position(&self, topic: &str, partition: i32) -> Result<i64, LedgerError> {
        self.within_deadline(async |client| {
            client
                .execute(sql::INSERT_POSITION, &[&topic, &partition])
                .await?;
            let row = client
                .query_one(sql::SELECT_POSITION, &[&topic, &partition])
                .await?;
            Ok(row.try_get(0)?)
        })
        .await
    }

    /// How many numbers below the highest written one are missing, over all number series of these partitions.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn sequence_gaps(&self, topic: &str, partitions: &[i32]) -> Result<i64, LedgerError> {
        self.within_deadline(async |client| {
            let count = client.prepare_cached(sql::COUNT_GAPS).await?;
            let row = client.query_one(&count, &[&topic, &partitions]).await?;
            Ok(row.try_get(0)?)
        })
        .await
    }
}
