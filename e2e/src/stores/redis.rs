use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_service::settings::CaCertificates;
use fred::prelude::*;
use fred::types::CustomCommand;
use fred::types::config::TlsConnector;

use crate::checker::RedisSale;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const RECONNECT_PAUSE_MS: u32 = 100;

/// One Redis database. The keys are those of `lua/README.md`.
#[derive(Debug, Clone)]
pub struct Redis(pub(super) Client);

/// The keys of one sale at one moment.
#[derive(Debug, Clone)]
pub struct SavedSale(Vec<(String, Value)>);

impl Redis {
    /// Connects to the database that `url` names. Where `url` is encrypted, `certificates` have
    /// signed the server's; without them, the system's have.
    pub async fn connect(url: &str, certificates: Option<&CaCertificates>) -> Result<Self> {
        let mut config = Config::from_url(url).context("reading REDIS_URL")?;
        if config.uses_tls() {
            let connector: TlsConnector = CaCertificates::connector(certificates).try_into()?;
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

    /// What Redis holds of a sale, if anything.
    pub async fn sale(&self, product: &ProductId) -> Result<Option<RedisSale>> {
        let sale = sale_key(product);
        let fields = vec!["total", "remaining", "seq", "opens_at"];
        let facts: Vec<Option<i64>> = self.0.hmget(&sale, fields).await?;
        let [Some(total), Some(remaining), Some(sequence), Some(opens_at)] = facts[..] else {
            return Ok(None);
        };
        let [_, orders, outbox, _] = sale_keys(product, opens_at);
        // One field, the empty one, is no order: it keeps the hash alive.
        let fields: i64 = self.0.hlen(orders).await?;
        let outbox = self.0.xlen(outbox).await?;
        Ok(Some(RedisSale {
            total,
            remaining,
            sequence,
            records: fields - 1,
            outbox,
            holds: self.holds(product, opens_at).await?,
        }))
    }

    /// All keys of a sale as they are now.
    pub async fn save(&self, product: &ProductId) -> Result<SavedSale> {
        let opens_at: i64 = self.0.hget(sale_key(product), "opens_at").await?;
        let mut saved = Vec::new();
        for key in sale_keys(product, opens_at) {
            saved.push((key.clone(), self.0.dump(key).await?));
        }
        Ok(SavedSale(saved))
    }

    /// Puts a sale back to what it was: Redis has lost every write since.
    pub async fn roll_back(&self, saved: &SavedSale) -> Result<()> {
        for (key, value) in &saved.0 {
            let value = value.clone();
            self.0
                .restore::<(), _>(key, 0, value, true, false, None, None)
                .await?;
        }
        Ok(())
    }

    pub async fn configure(&self, name: &str, value: &str) -> Result<()> {
        self.command(&["CONFIG", "SET", name, value]).await
    }

    pub async fn flush(&self) -> Result<()> {
        self.command(&["FLUSHDB"]).await
    }

    /// Any command, with its arguments.
    pub async fn command<T: FromValue>(&self, words: &[&str]) -> Result<T> {
        let (name, arguments) = words.split_first().context("a command has a name")?;
        let command = CustomCommand::new(*name, None::<u16>, false);
        Ok(self.0.custom(command, arguments.to_vec()).await?)
    }
}

/// The key of a sale's facts.
pub fn sale_key(product: &ProductId) -> String {
    format!("fg:{{{}}}:sale:{product}", Tag::of(product))
}

/// The keys of a sale in the order of the scripts: sale, orders, outbox, users.
pub fn sale_keys(product: &ProductId, opens_at_ms: i64) -> [String; 4] {
    let tag = Tag::of(product);
    [
        sale_key(product),
        format!("fg:{{{tag}}}:orders:{opens_at_ms}"),
        format!("fg:{{{tag}}}:outbox:{product}"),
        format!("fg:{{{tag}}}:users:{product}"),
    ]
}

/// The keys of the queue of a sale: how far it has come, and who joined before the start.
pub fn queue_keys(product: &ProductId) -> [String; 2] {
    let tag = Tag::of(product);
    ["queue", "joined"].map(|kind| format!("fg:{{{tag}}}:{kind}:{product}"))
}
