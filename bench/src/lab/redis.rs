//! Reads figures from Redis with `redis-cli`.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::{ProductId, Tag};
use tokio::process::Command;

use crate::load::run_tool;

const LIMIT: Duration = Duration::from_secs(60);

/// One database of a Redis on this machine.
pub struct Redis {
    pub port: String,
    pub database: String,
}

impl Redis {
    /// The database at a URL such as `redis://127.0.0.1:6379/1`.
    pub fn at(url: &str) -> Result<Self> {
        let (_, place) = url.rsplit_once(':').context("the URL has no port")?;
        let (port, database) = place.split_once('/').unwrap_or((place, "0"));
        let [port, database] = [port, database].map(str::to_owned);
        Ok(Self { port, database })
    }

    pub async fn command(&self, command: &[&str]) -> Result<String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.port, "-n", &self.database, "-e"])
            .args(command);
        Ok(run_tool(&mut cli, LIMIT).await?.trim().to_owned())
    }

    /// Runs a command that replies with a number. No reply, such as for a missing key, counts as 0.
    pub async fn number(&self, command: &[&str]) -> Result<u64> {
        let answer = self.command(command).await?;
        let number = if answer.is_empty() { "0" } else { &answer };
        let number = number.parse();
        number.with_context(|| format!("{command:?}: {answer}"))
    }

    /// A field of `INFO memory`, such as `used_memory`. It covers all databases.
    pub async fn memory(&self, field: &str) -> Result<u64> {
        let info = self.command(&["INFO", "memory"]).await?;
        let value = |line: &str| {
            line.strip_prefix(field)?
                .strip_prefix(':')?
                .trim()
                .parse()
                .ok()
        };
        info.lines()
            .find_map(value)
            .with_context(|| format!("no {field} in INFO"))
    }
}

/// The keys of a sale in the order of the scripts: sale, orders, outbox, users. See lua/README.md.
pub fn keys(product: &ProductId, opened_at_ms: i64) -> [String; 4] {
    let tag = Tag::of(product);
    [
        format!("fg:{{{tag}}}:sale:{product}"),
        format!("fg:{{{tag}}}:orders:{opened_at_ms}"),
        format!("fg:{{{tag}}}:outbox:{product}"),
        format!("fg:{{{tag}}}:users:{product}"),
    ]
}
