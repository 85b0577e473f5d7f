use std::time::Duration;

use prometheus::Registry;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::LedgerReadMetrics;
use super::outage::Outage;
use crate::pool::{Connections, PoolSettings};
use crate::{Address, LedgerError};

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

/// Connections that serve one thread: a batcher has two calls under way at most.
const PER_THREAD: usize = 2;
/// Attempts at one read. After PostgreSQL has ended all sessions, more than one pooled connection may be broken.
const ATTEMPTS_MAX: u32 = 3;

/// The connections of one class, and whether PostgreSQL answers on them.
///
/// They are divided into pools, and each thread uses one: the answers of a connection arrive on the thread that made it, and
/// to hand them to another thread takes longer than to read them.
pub struct Reads {
    class: ReadClass,
    pools: Vec<Connections>,
    timeout: Duration,
    pub outage: Outage,
}

impl Reads {
    pub fn new(
        class: ReadClass,
        address: &Address,
        size: usize,
        timeout: Duration,
        metrics: &LedgerReadMetrics,
    ) -> Self {
        let gauge = metrics.ledger_outage.with_label_values(&[class.as_str()]);
        let count = (size / PER_THREAD).max(1);
        let pools = (0..count).map(|nth| {
            // The rest of the division goes to the first ones.
            let size = (size + count - 1 - nth) / count;
            Connections::new(address.clone().pool(PoolSettings {
                size,
                timeout,
                writes: false,
            }))
        });
        Self {
            class,
            pools: pools.collect(),
            timeout,
            outage: Outage::new(class.as_str(), gauge),
        }
    }

    pub fn register_metrics(&self, registry: &Registry, service: &str) {
        let class = Some(self.class.as_str());
        Connections::register_metrics(&self.pools, registry, service, class);
    }

    /// One read, by the thread with this number. An error other than a timeout, such as a cancelled statement or a session
    /// that was ended, concerns that attempt alone: the read is repeated in the time that is left.
    pub async fn read(
        &self,
        thread: usize,
        select: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, LedgerError> {
        let deadline = Instant::now() + self.timeout;
        let connections = &self.pools[thread % self.pools.len()];
        let mut attempt = 1;
        loop {
            let outcome = connections.until(deadline, async |client| {
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
