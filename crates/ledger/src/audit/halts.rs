use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::{ANSWER_LIMIT, AuditError, AuditReader, within};
use crate::sql;

/// A partition whose log is not the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaltedPartition {
    /// Its number.
    pub partition: i32,
    /// When it was halted.
    pub since: Timestamp,
    /// Why.
    pub because: String,
    /// The position before the halt.
    pub offset: i64,
    /// How often another log was accepted before.
    pub log_number: i32,
}

impl AuditReader {
    /// The halted partitions of a consumer, by number.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn halted(&self, consumer: &str) -> Result<Vec<HaltedPartition>, AuditError> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&consumer, &self.topic];
        let rows = self.client.query(sql::SELECT_HALTED, &parameters);
        let rows = within(ANSWER_LIMIT, rows).await?;
        let halted = rows.iter().map(|row| {
            Ok(HaltedPartition {
                partition: row.try_get(0)?,
                since: row.try_get(1)?,
                because: row.try_get(2)?,
                offset: row.try_get(3)?,
                log_number: row.try_get(4)?,
            })
        });
        halted.collect()
    }

    /// Ends the halt of a partition: its log gets the next number and is read from `begin` on. False if it is no longer
    /// halted with this log number.
    ///
    /// # Errors
    /// When PostgreSQL gives no usable answer.
    pub async fn accept_log(
        &self,
        consumer: &str,
        halted: &HaltedPartition,
        begin: i64,
    ) -> Result<bool, AuditError> {
        let HaltedPartition {
            partition,
            log_number,
            ..
        } = halted;
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&consumer, &self.topic, partition, &begin, log_number];
        let accepted = self.client.execute(sql::ACCEPT_LOG, &parameters);
        Ok(within(ANSWER_LIMIT, accepted).await? > 0)
    }
}
