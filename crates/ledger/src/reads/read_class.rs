use std::time::Duration;

use deadpool_postgres::Pool;
use prometheus::Registry;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::LedgerReadMetrics;
use super::outage::Outage;
use crate::LedgerError;
use crate::pool::Connections;

/// Whether Redis has the order or the sale that is read. Each class has its own connections: requests for ids that never
/// existed must not delay those of buyers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadClass {
    /// Redis has it.
    Known,
    /// Redis does not have it, or did not say.
    Unknown,
}

impl ReadClass {
    /// The value of a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Unknown => "unknown",
        }
    }
}

/// Attempts at one read. After PostgreSQL has ended all sessions, more than one pooled connection may be broken.
const ATTEMPTS_MAX: u32 = 3;

/// The connections of one class, and whether PostgreSQL answers on them.
pub struct Reads {
    class: ReadClass,
    connections: Connections,
    timeout: Duration,
    pub outage: Outage,
}

impl Reads {
    pub fn new(
        class: ReadClass,
        pool: Pool,
        timeout: Duration,
        metrics: &LedgerReadMetrics,
    ) -> Self {
        let gauge = metrics.ledger_outage.with_label_values(&[class.as_str()]);
        Self {
            class,
            connections: Connections::new(pool),
            timeout,
            outage: Outage::new(class.as_str(), gauge),
        }
    }

    pub fn register_metrics(&self, registry: &Registry, service: &str) {
        let class = Some(self.class.as_str());
        self.connections.register_metrics(registry, service, class);
    }

    /// One read. An error other than a timeout, such as a cancelled statement or a session that was ended, concerns that
    /// attempt alone: the read is repeated in the time that is left.
    pub async fn read(
        &self,
        select: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, LedgerError> {
        let deadline = Instant::now() + self.timeout;
        let mut attempt = 1;
        loop {
            let outcome = self.connections.until(deadline, async |client| {
                let select = client.prepare_cached(select).await?;
                Ok(client.query(&select, parameters).await?)
            });
            match outcome.await {
                Err(LedgerError::Other(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }
}
