//! The three stores, as `scripts/stack` started them.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/stack");

/// Where the stores are.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Redis, without a database number.
    pub redis_url: String,
    /// Kafka's bootstrap brokers.
    pub kafka_brokers: String,
    /// PostgreSQL, without a schema.
    pub database_url: String,
    /// The stack's folder, with the pid files.
    folder: PathBuf,
}

/// One of the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The gate and the outbox.
    Redis,
    /// The log.
    Kafka,
    /// The truth.
    Postgres,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Kafka => "kafka",
            Self::Postgres => "postgres",
        })
    }
}

impl Stack {
    /// Reads the variables that `scripts/stack env` prints.
    ///
    /// # Errors
    /// When one of them is not set.
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            redis_url: variable("REDIS_URL")?,
            kafka_brokers: variable("KAFKA_BROKERS")?,
            database_url: variable("DATABASE_URL")?,
            folder: variable("STACK_DIR")?.into(),
        })
    }

    /// The program of the stack's Redis.
    pub(crate) fn redis_server(&self) -> PathBuf {
        self.folder.join("redis/redis-server")
    }

    /// Starts a store that was stopped, lets a paused one go on; returns when it answers.
    pub(crate) fn bring_back(&self, store: Store) -> Result<()> {
        self.script("start", store)
    }

    /// Stops a store in good order; its data stays.
    pub(crate) fn shut_down(&self, store: Store) -> Result<()> {
        self.script("stop", store)
    }

    /// Freezes a store: its connections stay open, and nothing answers.
    pub(crate) fn freeze(&self, store: Store) -> Result<()> {
        let path = self.folder.join(format!("{store}.pid"));
        let pid = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let pid = Pid::from_raw(pid.trim().parse().context("a pid file holds a number")?);
        kill(pid, Signal::SIGSTOP).with_context(|| format!("pausing {store}, pid {pid}"))
    }

    fn script(&self, command: &str, store: Store) -> Result<()> {
        let output = Command::new(SCRIPT)
            .args([command, &store.to_string()])
            .env("STACK_DIR", &self.folder)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running {SCRIPT}"))?;
        ensure!(
            output.status.success(),
            "scripts/stack {command} {store}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
