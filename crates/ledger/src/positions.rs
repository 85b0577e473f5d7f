use std::collections::HashMap;

use fluxgate_domain::batch::{Position, RecordMark};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::ledger::CONSUMER;
use crate::{Ledger, LedgerError, sql};

/// The position of a partition, as PostgreSQL holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredPosition {
    /// The partition is read from here.
    Read(Position),
    /// The partition is halted, for this reason, until an operator accepts its log.
    Halted(String),
}

impl Ledger {
    /// The positions of all partitions that were ever assigned to a worker.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn positions(
        &self,
        topic: &str,
    ) -> Result<HashMap<i32, StoredPosition>, LedgerError> {
        self.in_transaction(async |transaction| {
            let parameters: [&(dyn ToSql + Sync); 2] = [&CONSUMER, &topic];
            let rows = transaction
                .query(sql::SELECT_POSITIONS, &parameters)
                .await?;
            rows.iter()
                .map(|row| Ok((row.try_get(5)?, StoredPosition::read(row)?)))
                .collect()
        })
        .await
    }

    /// Where reading a partition starts: behind the last record that was written, at 0 for a partition that was never
    /// read.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn position(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<StoredPosition, LedgerError> {
        self.in_transaction(async |transaction| {
            let parameters: [&(dyn ToSql + Sync); 3] = [&CONSUMER, &topic, &partition];
            transaction
                .execute(sql::INSERT_POSITION, &parameters)
                .await?;
            let row = transaction
                .query_one(sql::SELECT_POSITION, &parameters)
                .await?;
            Ok(StoredPosition::read(&row)?)
        })
        .await
    }

    /// Halts a partition until an operator accepts its log. False if its position is no longer the one that this is based
    /// on.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn halt(
        &self,
        topic: &str,
        partition: i32,
        position: &Position,
        because: &str,
    ) -> Result<bool, LedgerError> {
        let expected = Some(position.next);
        self.halt_at(topic, partition, position.log_number, expected, because)
            .await
    }

    /// Halts a partition, wherever its position is. False if its log has another number by now, or if it is halted.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn halt_log(
        &self,
        topic: &str,
        partition: i32,
        log_number: i32,
        because: &str,
    ) -> Result<bool, LedgerError> {
        self.halt_at(topic, partition, log_number, None, because)
            .await
    }

    async fn halt_at(
        &self,
        topic: &str,
        partition: i32,
        log_number: i32,
        expected: Option<i64>,
        because: &str,
    ) -> Result<bool, LedgerError> {
        self.in_transaction(async |transaction| {
            let parameters: [&(dyn ToSql + Sync); 6] = [
                &CONSUMER,
                &topic,
                &partition,
                &log_number,
                &expected,
                &because,
            ];
            let halted = transaction.execute(sql::HALT_POSITION, &parameters).await?;
            Ok(halted > 0)
        })
        .await
    }

    /// How many numbers below the highest written one are missing, over all number series of these partitions.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn sequence_gaps(&self, topic: &str, partitions: &[i32]) -> Result<i64, LedgerError> {
        self.in_transaction(async |transaction| {
            let count = transaction.prepare_cached(sql::gaps::COUNT_GAPS).await?;
            let row = transaction
                .query_one(&count, &[&topic, &partitions])
                .await?;
            Ok(row.try_get(0)?)
        })
        .await
    }
}

impl StoredPosition {
    /// The position of a partition that no worker has read.
    pub(crate) const NEVER_READ: Self = Self::Read(Position {
        next: 0,
        log_number: 0,
        last: None,
    });

    pub(crate) fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        if let Some(because) = row.try_get(4)? {
            return Ok(Self::Halted(because));
        }
        let (offset, checksum): (Option<i64>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        let mark = offset.zip(checksum);
        Ok(Self::Read(Position {
            next: row.try_get(0)?,
            log_number: row.try_get(1)?,
            last: mark.map(|(offset, checksum)| RecordMark {
                offset,
                checksum: checksum.cast_unsigned(),
            }),
        }))
    }
}
