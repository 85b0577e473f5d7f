use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};
use e2e::process::{Process, Settings};

/// The ceiling of the HTTP scenarios. Always of our build: what differs between two of them is noise.
pub const BARE: &str = "bare";

/// The programs of one build of Fluxgate.
#[derive(Debug, Clone)]
pub struct Build {
    /// `ours`, or `theirs` in a comparison.
    pub name: &'static str,
    /// Such as `target/release`.
    pub folder: PathBuf,
    pub logs: PathBuf,
}

/// The folder with the programs of the build that this one is part of.
pub fn own_folder() -> Result<PathBuf> {
    let bench = std::env::current_exe().context("finding the built programs")?;
    let folder = bench.parent().context("a program is in a folder")?;
    Ok(folder.to_owned())
}

impl Build {
    /// Starts a program on a free port with nothing but `settings` in its environment, and does not wait. An existing
    /// log is overwritten.
    pub fn spawn(&self, program: &str, log: &str, settings: Settings) -> Result<Process> {
        let log = self.logs.join(format!("{}-{log}.log", self.name));
        File::create(&log).with_context(|| format!("emptying {}", log.display()))?;
        let folder = match program {
            BARE => own_folder()?,
            _ => self.folder.clone(),
        };
        Process::spawn(folder.join(program), settings, log)
    }

    /// Starts a program, and waits until it is ready.
    pub async fn start(&self, program: &str, log: &str, settings: Settings) -> Result<Process> {
        let mut process = self.spawn(program, log, settings)?;
        process.ready().await?;
        Ok(process)
    }
}
