use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_service::settings::CaCertificates;
use fred::prelude::*;
use fred::types::CustomCommand;
use fred::types::config::TlsConnector;

use super::Shelf;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const RECONNECT_PAUSE_MS: u32 = 100;

/// Redis, as seen in a sandbox's database. The keys are those of `lua/README.md`.
#[derive(Debug, Clone)]
pub struct Gate(Client);

/// The keys of one sale at one moment.
#[derive(Debug, Clone)]
pub struct Saved(Vec<(String, Value)>);

impl Gate {
    /// Connects to the database that `url` names.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_through(url, None).await
    }

    /// The same; where `url` is encrypted, these vouch for the server, or, without them, those of the system.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn connect_through(url: &str, authorities: Option<&CaCertificates>) -> Result<Self> {
        let mut config = Config::from_url(url).context("reading REDIS_URL")?;
        if config.uses_tls() {
            let connector: TlsConnector = CaCertificates::connector(authorities).try_into()?;
            config.tls = Some(connector.into());
        }
        let client = Builder::from_config(config)
            .with_connection_config(|it| it.connection_timeout = ANSWER_LIMIT)
            // It outlives a Redis that is killed and started again.
            .set_policy(ReconnectPolicy::new_constant(0, RECONNECT_PAUSE_MS))
            .with_performance_config(|it| it.default_command_timeout = ANSWER_LIMIT)
            .build()?;
        client.init().await.context("connecting to Redis")?;
        Ok(Self(client))
    }

    /// What Redis holds of a sale.
    ///
    /// # Errors
    /// When Redis does not answer, or holds something else than a sale.
    pub async fn shelf(&self, product: &ProductId) -> Result<Option<Shelf>> {
        let slot = format!("fg:{{{}}}", Tag::of(product));
        let sale = format!("{slot}:sale:{product}");
        let fields = vec!["total", "remaining", "seq", "opens_at"];
        let facts: Vec<Option<i64>> = self.0.hmget(&sale, fields).await?;
        let [Some(total), Some(remaining), Some(sequence), Some(opens_at)] = facts[..] else {
            return Ok(None);
        };
        // One field, the empty one, is no order: it keeps the hash alive.
        let fields: i64 = self.0.hlen(format!("{slot}:orders:{opens_at}")).await?;
        let outbox = self.0.xlen(format!("{slot}:outbox:{product}")).await?;
        Ok(Some(Shelf {
            total,
            remaining,
            sequence,
            records: fields - 1,
            outbox,
        }))
    }

    /// All keys of a sale as they are now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn save(&self, product: &ProductId) -> Result<Saved> {
        let slot = format!("fg:{{{}}}", Tag::of(product));
        let opens_at: String = self
            .0
            .hget(format!("{slot}:sale:{product}"), "opens_at")
            .await?;
        let mut saved = Vec::new();
        for key in [
            format!("{slot}:sale:{product}"),
            format!("{slot}:orders:{opens_at}"),
            format!("{slot}:outbox:{product}"),
            format!("{slot}:users:{product}"),
        ] {
            saved.push((key.clone(), self.0.dump(key).await?));
        }
        Ok(Saved(saved))
    }

    /// Puts a sale back to what it was: for its readers, Redis has lost every write since.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn roll_back(&self, saved: &Saved) -> Result<()> {
        for (key, value) in &saved.0 {
            let restored = self
                .0
                .restore::<(), _>(key, 0, value.clone(), true, false, None, None);
            restored.await?;
        }
        Ok(())
    }

    /// A number that no other caller on this Redis gets.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn next_number(&self, counter: &str) -> Result<u64> {
        Ok(self.0.incr(counter).await?)
    }

    /// Sets one of the server's settings, as `CONFIG SET` does.
    ///
    /// # Errors
    /// When Redis does not answer or does not take it.
    pub async fn configure(&self, name: &str, value: &str) -> Result<()> {
        let command = CustomCommand::new_static("CONFIG", None::<u16>, false);
        Ok(self.0.custom(command, vec!["SET", name, value]).await?)
    }

    /// Empties this database, and only this.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn flush(&self) -> Result<()> {
        let flushdb = CustomCommand::new_static("FLUSHDB", None::<u16>, false);
        Ok(self.0.custom(flushdb, Vec::<Value>::new()).await?)
    }
}
