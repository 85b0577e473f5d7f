use std::env;
use std::fs::{self, canonicalize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Redis, Kafka and PostgreSQL, as `scripts/on-stack` started them for this program alone.
#[derive(Debug)]
pub struct Stack {
    pub kafka_brokers: String,
    pub database_url: String,
    /// For results and logs.
    pub results: PathBuf,
    folder: PathBuf,
    repository: PathBuf,
}

impl Stack {
    pub fn from_env(repository: &Path) -> Result<Self> {
        let variable = |name| {
            env::var(name)
                .with_context(|| format!("{name} is not set: run `scripts/on-stack bench`"))
        };
        let repository = canonicalize(repository).context("finding the repository")?;
        let results = repository.join(".local/bench");
        fs::create_dir_all(&results)?;
        Ok(Self {
            kafka_brokers: variable("KAFKA_BROKERS")?,
            database_url: variable("DATABASE_URL")?,
            folder: variable("STACK_DIR")?.into(),
            results,
            repository,
        })
    }

    pub fn pid(&self, store: &str) -> Result<u32> {
        let path = self.folder.join(format!("{store}.pid"));
        let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        text.trim().parse().context("a pid file holds a number")
    }

    /// Runs a command of `scripts/stack`, such as `stop kafka`.
    pub fn script(&self, command: &str) -> Result<()> {
        let status = Command::new(self.repository.join("scripts/stack"))
            .args(command.split(' '))
            .env("STACK_DIR", &self.folder)
            .stdin(Stdio::null())
            .status();
        let status = status.with_context(|| format!("running scripts/stack {command}"))?;
        ensure!(status.success(), "scripts/stack {command}: {status}");
        Ok(())
    }
}
