//! Redis as an operator sees it: through its own command line.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::ids::{ProductId, Tag};
use tokio::process::Command;

use crate::load::run_tool;

const LIMIT: Duration = Duration::from_secs(60);

pub struct Redis {
    port: String,
}

impl Redis {
    pub fn at(url: &str) -> Result<Self> {
        let port = url.rsplit(':').next().context("a URL ends with a port")?;
        Ok(Self {
            port: port.to_owned(),
        })
    }

    pub fn port(&self) -> &str {
        &self.port
    }

    pub async fn command(&self, command: &[&str]) -> Result<String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &self.port, "-e"])
            .args(command);
        Ok(run_tool(&mut cli, LIMIT).await?.trim().to_owned())
    }

    /// A command that is answered with a number; nothing, such as of a missing key, is 0.
    pub async fn number(&self, command: &[&str]) -> Result<u64> {
        let answer = self.command(command).await?;
        if answer.is_empty() {
            return Ok(0);
        }
        let number = answer.parse();
        number.with_context(|| format!("{command:?}: {answer}"))
    }

    /// Bytes that its data and buffers take.
    pub async fn used_bytes(&self) -> Result<u64> {
        self.of_memory("used_memory:").await
    }

    /// Values that have gone and that are still to be freed, in the background.
    pub async fn to_be_freed(&self) -> Result<u64> {
        self.of_memory("lazyfree_pending_objects:").await
    }

    async fn of_memory(&self, field: &str) -> Result<u64> {
        let info = self.command(&["INFO", "memory"]).await?;
        find(&info, field).with_context(|| format!("no {field} in INFO"))
    }
}

fn find(info: &str, field: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(field)?.trim().parse().ok();
    info.lines().find_map(value)
}

/// Of a sale, in the order that the scripts take them: sale, orders, outbox, users. See lua/README.md.
pub fn keys(product: &ProductId, opened_at_ms: i64) -> [String; 4] {
    let tag = Tag::of(product);
    [
        format!("fg:{{{tag}}}:sale:{product}"),
        format!("fg:{{{tag}}}:orders:{opened_at_ms}"),
        format!("fg:{{{tag}}}:outbox:{product}"),
        format!("fg:{{{tag}}}:users:{product}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_sale_share_their_hash_tag() {
        let product = ProductId::parse("p").unwrap();
        let tag = format!("fg:{{{}}}:", Tag::of(&product));
        assert!(keys(&product, 5).iter().all(|key| key.starts_with(&tag)));
    }

    #[test]
    fn used_memory_is_found_among_its_likes() {
        let info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n";
        assert_eq!(find(info, "used_memory:"), Some(1_048_576));
        assert_eq!(find("used_memory_rss:5\r\n", "used_memory:"), None);
    }
}
