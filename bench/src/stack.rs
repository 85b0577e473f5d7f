//! A stack that nobody else uses, gone when this is dropped.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Redis, Kafka and PostgreSQL of our own.
#[derive(Debug)]
pub struct Stack {
    repository: PathBuf,
    folder: PathBuf,
    addresses: HashMap<String, String>,
    /// Held as long as this lives.
    _lock: File,
}

impl Stack {
    /// Starts it. Whatever a killed run left goes first.
    pub async fn up(repository: &Path) -> Result<Self> {
        let repository = fs::canonicalize(repository).context("finding the repository")?;
        let local = repository.join(".local");
        fs::create_dir_all(&local)?;
        let lock = File::create(local.join("bench.lock"))?;
        ensure!(
            lock.try_lock().is_ok(),
            "another `make bench` is running in this clone"
        );
        let mut stack = Self {
            folder: local.join("bench-stack"),
            repository,
            addresses: HashMap::new(),
            _lock: lock,
        };
        stack.script("down")?;
        // Not waited for in place: a signal has to be heard meanwhile. If one comes, `down` waits for
        // the stack's own lock.
        let mut up = stack.command("up");
        let up = tokio::task::spawn_blocking(move || up.status());
        ensure!(up.await??.success(), "scripts/stack up failed");
        let settings = fs::read_to_string(stack.folder.join("env"))?;
        stack.addresses = parse(&settings)?;
        Ok(stack)
    }

    pub fn repository(&self) -> &Path {
        &self.repository
    }

    pub fn redis_url(&self) -> Result<&str> {
        self.address("REDIS_URL")
    }

    pub fn kafka_brokers(&self) -> Result<&str> {
        self.address("KAFKA_BROKERS")
    }

    pub fn database_url(&self) -> Result<&str> {
        self.address("DATABASE_URL")
    }

    pub fn pid(&self, store: &str) -> Result<u32> {
        let path = self.folder.join(format!("{store}.pid"));
        let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        text.trim().parse().context("a pid file holds a number")
    }

    fn address(&self, name: &str) -> Result<&str> {
        let address = self.addresses.get(name);
        Ok(address.with_context(|| format!("the stack has no {name}"))?)
    }

    /// Stops one of the stores; what it holds stays.
    pub fn stop(&self, store: &str) -> Result<()> {
        self.script(&format!("stop {store}"))
    }

    /// Starts it again, where it was.
    pub fn start(&self, store: &str) -> Result<()> {
        self.script(&format!("start {store}"))
    }

    fn script(&self, command: &str) -> Result<()> {
        let status = self.command(command).status();
        let status = status.with_context(|| format!("running scripts/stack {command}"))?;
        ensure!(status.success(), "scripts/stack {command}: {status}");
        Ok(())
    }

    /// In a process group of its own: a second Ctrl-C must not interrupt the cleaning up.
    fn command(&self, command: &str) -> Command {
        let mut script = Command::new(self.repository.join("scripts/stack"));
        script
            .args(command.split(' '))
            .env("STACK_DIR", &self.folder)
            .current_dir(&self.repository)
            .stdin(Stdio::null())
            .process_group(0);
        script
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.script("down") {
            eprintln!("bench: {error:#}");
        }
    }
}

/// Words `NAME=value`, quoted for a shell.
fn parse(settings: &str) -> Result<HashMap<String, String>> {
    let words = shlex::split(settings).context("quotes that do not end")?;
    let pairs = words.iter().filter_map(|word| word.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_by_name() {
        let settings = "REDIS_URL=redis://127.0.0.1:1\nDATABASE_URL=postgres://u@h/d\\?a=b\n";
        let addresses = parse(settings).unwrap();
        assert_eq!(addresses["REDIS_URL"], "redis://127.0.0.1:1");
        assert_eq!(addresses["DATABASE_URL"], "postgres://u@h/d?a=b");
    }
}
