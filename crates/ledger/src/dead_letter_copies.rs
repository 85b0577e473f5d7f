//! Which dead letters still have to be copied to their topic. A worker takes some under a lease: if it dies, another one
//! takes them when the lease has ended.

use std::time::Duration;

use tokio_postgres::types::ToSql;

use crate::{Ledger, LedgerError, sql};

/// Dead letters that wait for their copy beyond this number are not counted.
const COUNTED_MAX: i64 = 10_000;

/// A dead letter that this worker is to copy while its lease lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LeasedDeadLetter {
    pub partition: i32,
    pub log_number: i32,
    pub offset: i64,
    pub reason: String,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Ledger {
    /// Takes at most `max` dead letters that nobody else has taken. They are due again after `lease`, by the clock of
    /// PostgreSQL, unless [`Self::end_copies`] is called for them.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable; the lease may have begun.
    pub async fn lease_dead_letters(
        &self,
        topic: &str,
        max: usize,
        lease: Duration,
    ) -> Result<Vec<LeasedDeadLetter>, LedgerError> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let seconds = lease.as_secs_f64();
        self.in_transaction(async |transaction| {
            let parameters: [&(dyn ToSql + Sync); 3] = [&topic, &max, &seconds];
            let take = transaction
                .prepare_cached(sql::dead_letters::LEASE_DEAD_LETTERS)
                .await?;
            let rows = transaction.query(&take, &parameters).await?;
            let letters = rows.iter().map(|row| {
                Ok(LeasedDeadLetter {
                    partition: row.try_get(0)?,
                    log_number: row.try_get(1)?,
                    offset: row.try_get(2)?,
                    reason: row.try_get(3)?,
                    key: row.try_get(4)?,
                    value: row.try_get(5)?,
                })
            });
            letters.collect()
        })
        .await
    }

    /// These dead letters need no copy any more.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable: they are due again when their lease has ended.
    pub async fn end_copies(
        &self,
        topic: &str,
        letters: &[LeasedDeadLetter],
    ) -> Result<(), LedgerError> {
        let partitions: Vec<i32> = letters.iter().map(|it| it.partition).collect();
        let log_numbers: Vec<i32> = letters.iter().map(|it| it.log_number).collect();
        let offsets: Vec<i64> = letters.iter().map(|it| it.offset).collect();
        self.in_transaction(async |transaction| {
            let parameters: [&(dyn ToSql + Sync); 4] =
                [&topic, &partitions, &log_numbers, &offsets];
            let end = transaction
                .prepare_cached(sql::dead_letters::END_COPIES)
                .await?;
            transaction.execute(&end, &parameters).await?;
            Ok(())
        })
        .await
    }

    /// How many dead letters wait for their copy; at most 10,000 are counted.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn uncopied_dead_letters(&self, topic: &str) -> Result<i64, LedgerError> {
        self.in_transaction(async |transaction| {
            let parameters: [&(dyn ToSql + Sync); 2] = [&topic, &COUNTED_MAX];
            let count = transaction
                .prepare_cached(sql::dead_letters::COUNT_UNCOPIED)
                .await?;
            let row = transaction.query_one(&count, &parameters).await?;
            Ok(row.try_get(0)?)
        })
        .await
    }
}
