//! The programs of one build of Fluxgate.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::process::{Process, Settings};

/// A folder with the programs of one build, such as `target/release`.
#[derive(Debug, Clone)]
pub struct Build {
    /// `ours`, or `theirs` in a comparison.
    pub name: &'static str,
    folder: PathBuf,
}

impl Build {
    /// The build that this program is part of.
    pub fn ours() -> Result<Self> {
        let bench = std::env::current_exe().context("finding the built programs")?;
        Self::of("ours", bench.parent().context("a program is in a folder")?)
    }

    /// The build to compare with.
    pub fn theirs(folder: &Path) -> Result<Self> {
        Self::of("theirs", folder)
    }

    fn of(name: &'static str, folder: &Path) -> Result<Self> {
        let folder = folder.to_owned();
        for program in ["ingest-api", "inventory-worker"] {
            let path = folder.join(program);
            let hint = "cargo build --release --locked --workspace";
            ensure!(path.is_file(), "{} is not built: {hint}", path.display());
        }
        Ok(Self { name, folder })
    }

    /// Starts a program on a free port with nothing but `settings` in its environment, and does not wait. An existing
    /// log file is overwritten.
    pub fn spawn(&self, program: &str, settings: &Settings, log: PathBuf) -> Result<Process> {
        if log.exists() {
            fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
        }
        let executable = self.folder.join(program);
        Process::spawn(executable, settings.clone(), log)
    }
}
