use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{ANSWER_LIMIT, AuditError, AuditReader, connect, within};
use crate::sql;

/// How long the lock outlives a holder that has died.
const LEASE: Duration = Duration::from_secs(10);
const RENEWAL_INTERVAL: Duration = Duration::from_secs(3);
/// How often one who waits looks whether the holder is alive.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// The lock of a sale's rebuild, on a connection of its own: the rebuild reads within one long transaction. It ends in ten
/// seconds unless its holder waits for [`Self::lost`], which renews it.
///
/// It saves two operators from each other's way: a rebuild that went on without it would stop the sale again under the
/// next one. What keeps two rebuilds from mixing their writes is the token that Redis checks.
pub struct RebuildLock {
    client: Client,
    product: String,
    token: Uuid,
}

impl AuditReader {
    /// Keeps other processes from rebuilding the sale; `token` names this rebuild. Waits for the end of a lock that is no
    /// longer renewed, at most ten seconds.
    ///
    /// # Errors
    /// When another process has the lock and is alive, or PostgreSQL gives no usable answer.
    pub async fn lock_rebuild(
        &self,
        product: &ProductId,
        token: Uuid,
    ) -> Result<RebuildLock, AuditError> {
        let lock = RebuildLock {
            client: connect(&self.address).await?,
            product: product.to_string(),
            token,
        };
        lock.take().await?;
        Ok(lock)
    }
}

impl RebuildLock {
    /// Renews the lock, and returns once it is lost, with the reason: another rebuild has it, its connection has ended, or
    /// PostgreSQL does not answer for as long as the lock lasts. Wait for this while you rebuild.
    pub async fn lost(&self) -> AuditError {
        let mut ends_at = Instant::now() + LEASE;
        loop {
            sleep(RENEWAL_INTERVAL).await;
            let asked_at = Instant::now();
            let renewed = timeout_at(ends_at, self.renew()).await;
            match renewed.unwrap_or(Err(AuditError::Timeout)) {
                Ok(true) => ends_at = asked_at + LEASE,
                Ok(false) => return AuditError::Locked,
                Err(error) if self.client.is_closed() || Instant::now() >= ends_at => return error,
                Err(error) => tracing::warn!(%error, "the lock of the rebuild was not renewed"),
            }
        }
    }

    /// Ends the lock.
    pub async fn release(self) {
        if let Err(error) = self.end().await {
            tracing::warn!(%error, "the lock of the rebuild was not released; it ends by itself in 10 s");
        }
    }

    async fn take(&self) -> Result<(), AuditError> {
        let mut seen = None;
        while !self.renew().await? {
            let expires_at = self.expires_at().await?;
            let earlier = seen.replace(expires_at);
            if earlier.is_some_and(|earlier| earlier != expires_at) {
                return Err(AuditError::Locked);
            }
            sleep(WATCH_INTERVAL).await;
        }
        Ok(())
    }

    /// Takes or renews the lock; false if another rebuild has it.
    async fn renew(&self) -> Result<bool, AuditError> {
        let seconds = LEASE.as_secs_f64();
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.product, &self.token, &seconds];
        let lock = sql::rebuild_lock::LOCK_REBUILD;
        let locked = within(ANSWER_LIMIT, self.client.execute(lock, &parameters)).await?;
        Ok(locked > 0)
    }

    async fn expires_at(&self) -> Result<Timestamp, AuditError> {
        let select = sql::rebuild_lock::SELECT_REBUILD_LOCK;
        let row = within(
            ANSWER_LIMIT,
            self.client.query_one(select, &[&self.product]),
        )
        .await?;
        Ok(row.try_get(0)?)
    }

    async fn end(&self) -> Result<(), AuditError> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.product, &self.token];
        let end = sql::rebuild_lock::UNLOCK_REBUILD;
        within(ANSWER_LIMIT, self.client.execute(end, &parameters)).await?;
        Ok(())
    }
}
