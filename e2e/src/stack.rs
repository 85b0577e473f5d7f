//! The three stores, as `scripts/stack` started them.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::process::children;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/stack");

/// The exit code of `scripts/stack small` where mounting is not allowed.
const NOT_ALLOWED: i32 = 3;

#[derive(Debug, Clone)]
pub struct Stack {
    /// Redis, without a database number.
    pub redis_url: String,
    pub kafka_brokers: String,
    /// PostgreSQL, without a schema.
    pub database_url: String,
    /// Kafka's bootstrap brokers for clients whose way can be cut: only a proxy of theirs listens there.
    pub kafka_cut_brokers: Option<String>,
    /// Where that proxy leads to.
    pub kafka_cut_target: Option<String>,
    /// The stack's folder, with the pid files.
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Redis,
    Kafka,
    /// A second and a third broker, which run only while a row needs them.
    Kafka2,
    Kafka3,
    Postgres,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

impl Stack {
    /// Reads the variables that `scripts/stack env` prints.
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            redis_url: variable("REDIS_URL")?,
            kafka_brokers: variable("KAFKA_BROKERS")?,
            database_url: variable("DATABASE_URL")?,
            kafka_cut_brokers: variable("KAFKA_CUT_BROKERS").ok(),
            kafka_cut_target: variable("KAFKA_CUT_TARGET").ok(),
            folder: variable("STACK_DIR")?.into(),
        })
    }

    pub fn redis_server(&self) -> PathBuf {
        self.folder.join("redis/redis-server")
    }

    /// Starts a store that was stopped, lets a frozen one go on; returns when it answers.
    pub async fn bring_back(&self, store: Store) -> Result<()> {
        self.script(&["start", &store.to_string()]).await
    }

    /// Brings back every store, whatever was done to it, and stops the brokers beside the usual one.
    pub async fn bring_all_back(&self) -> Result<()> {
        for store in [Store::Redis, Store::Kafka, Store::Postgres] {
            // Where it does not run there is nothing to thaw.
            let _ = self.thaw(store);
            self.bring_back(store).await?;
        }
        for broker in [Store::Kafka2, Store::Kafka3] {
            self.shut_down(broker).await?;
        }
        Ok(())
    }

    /// Stops a store in good order: connections break, new ones are refused. Its data stays.
    pub async fn shut_down(&self, store: Store) -> Result<()> {
        self.script(&["stop", &store.to_string()]).await
    }

    /// Freezes a store: its connections stay open, and nothing answers. PostgreSQL has a process per
    /// connection: all of them are frozen, after the one that would make new ones.
    pub fn freeze(&self, store: Store) -> Result<()> {
        let pid = self.pid(store)?;
        signal(store, pid, Signal::SIGSTOP)?;
        for child in children(pid)? {
            signal(store, child, Signal::SIGSTOP)?;
        }
        Ok(())
    }

    pub(crate) fn thaw(&self, store: Store) -> Result<()> {
        let pid = self.pid(store)?;
        for process in children(pid)?.into_iter().chain([pid]) {
            signal(store, process, Signal::SIGCONT)?;
        }
        Ok(())
    }

    pub(crate) fn kill(&self, store: Store) -> Result<()> {
        signal(store, self.pid(store)?, Signal::SIGKILL)
    }

    /// Ends PostgreSQL in the middle of what it does: clients are cut off, and it has to recover.
    pub(crate) fn stop_postgres_at_once(&self) -> Result<()> {
        signal(Store::Postgres, self.pid(Store::Postgres)?, Signal::SIGQUIT)
    }

    /// Copies PostgreSQL's data aside; it is ended at once for that and runs again afterwards.
    pub(crate) async fn save_postgres(&self) -> Result<()> {
        self.script(&["save"]).await
    }

    /// Gives PostgreSQL back the data that was copied aside, as after restoring a backup.
    pub(crate) async fn revert_postgres(&self) -> Result<()> {
        self.script(&["revert"]).await
    }

    /// Makes a tablespace `small` of 2 MiB, unless there is one; where its files lie, or nothing where
    /// mounting is not allowed.
    pub(crate) async fn small_tablespace(&self) -> Result<Option<PathBuf>> {
        let is_allowed = self.run(&["small"]).await?;
        Ok(is_allowed.then(|| self.folder.join("postgres/small")))
    }

    /// Copies aside what Redis has written so far.
    pub(crate) fn save_redis(&self) -> Result<()> {
        let saved = self.redis_files("saved");
        if saved.exists() {
            // Of a run that failed between the two.
            fs::remove_dir_all(&saved).context("removing older files")?;
        }
        fs::create_dir(&saved).context("making a folder")?;
        let written = fs::read_dir(self.redis_files("appendonlydir"))?;
        for file in written {
            let file = file.context("looking at Redis's files")?;
            fs::copy(file.path(), saved.join(file.file_name())).context("copying one")?;
        }
        Ok(())
    }

    /// Kills Redis and starts it with what was copied aside: it has lost every write since.
    pub(crate) async fn revert_redis(&self) -> Result<()> {
        self.blank_redis_files().await?;
        let (saved, own) = (self.redis_files("saved"), self.redis_files("appendonlydir"));
        fs::rename(saved, own).context("putting Redis's files back")?;
        self.bring_back(Store::Redis).await
    }

    /// Kills Redis and starts it with an empty disk.
    pub(crate) async fn blank_redis(&self) -> Result<()> {
        self.blank_redis_files().await?;
        self.bring_back(Store::Redis).await
    }

    /// Kills Redis and starts it with a clock that can be shifted.
    pub(crate) async fn restart_redis_with_clock(&self) -> Result<()> {
        self.shift_redis_clock(0)?;
        self.kill(Store::Redis)?;
        self.shut_down(Store::Redis).await?;
        self.bring_back(Store::Redis).await
    }

    /// Sets the clock of a Redis that was started for it so many seconds ahead of the machine's.
    pub(crate) fn shift_redis_clock(&self, seconds: i64) -> Result<()> {
        // In place: Redis has mapped the file.
        let mut options = fs::OpenOptions::new();
        let options = options.create(true).truncate(false).write(true);
        let mut file = options
            .open(self.redis_files("clock_shift"))
            .context("opening the file of Redis's clock")?;
        file.write_all(&seconds.to_ne_bytes())
            .context("shifting Redis's clock")
    }

    /// Sets Redis's clock right, and lets it start with the machine's clock from now on.
    pub(crate) fn reset_redis_clock(&self) -> Result<()> {
        if !self.redis_files("clock_shift").exists() {
            return Ok(());
        }
        self.shift_redis_clock(0)?;
        fs::remove_file(self.redis_files("clock_shift"))
            .context("removing the file of Redis's clock")
    }

    async fn blank_redis_files(&self) -> Result<()> {
        self.kill(Store::Redis)?;
        // Whatever it still does, it does not write any more.
        self.shut_down(Store::Redis).await?;
        fs::remove_dir_all(self.redis_files("appendonlydir")).context("removing them")
    }

    fn redis_files(&self, folder: &str) -> PathBuf {
        self.folder.join("redis").join(folder)
    }

    /// Cuts so many bytes off the end of what a killed Redis has written, as a machine that lost its
    /// power would.
    pub(crate) fn tear_redis_file(&self, bytes: u64) -> Result<()> {
        let files = fs::read_dir(self.redis_files("appendonlydir"));
        let files = files.context("looking for Redis's file")?;
        let mut files = files.flatten().map(|entry| entry.path());
        let written = files.find(|path| path.to_string_lossy().ends_with(".incr.aof"));
        let path = written.context("Redis has written nothing")?;
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(bytes))
            .with_context(|| format!("cutting {}", path.display()))
    }

    pub fn pid(&self, store: Store) -> Result<Pid> {
        let path = self.folder.join(format!("{store}.pid"));
        let pid =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let pid = pid.trim().parse().context("a pid file holds a number")?;
        Ok(Pid::from_raw(pid))
    }

    async fn script(&self, command: &[&str]) -> Result<()> {
        self.run(command).await.map(drop)
    }

    /// Whether the script was allowed to do it.
    async fn run(&self, command: &[&str]) -> Result<bool> {
        let output = Command::new(SCRIPT)
            .args(command)
            .env("STACK_DIR", &self.folder)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("running {SCRIPT}"))?;
        let is_allowed = output.status.code() != Some(NOT_ALLOWED);
        ensure!(
            output.status.success() || !is_allowed,
            "scripts/stack {}: {}\n{}",
            command.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(is_allowed)
    }
}

fn signal(store: Store, pid: Pid, signal: Signal) -> Result<()> {
    kill(pid, signal).with_context(|| format!("sending {signal} to {store}, pid {pid}"))
}
