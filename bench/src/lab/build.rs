//! The programs of one build of Fluxgate, and the names of its settings in older builds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::process::{Process, Settings};

/// New name and name in older builds of each renamed setting. No metric that is read here was renamed.
const RENAMED: [(&str, &str); 2] = [
    ("SOLD_OUT_LEASE_MS", "SOLD_OUT_SIGN_MS"),
    ("OUTBOX_RELAY_INTERVAL_MS", "SWEEP_INTERVAL_MS"),
];

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
        Process::spawn(executable, under_both_names(settings), log)
    }
}

/// Passes every renamed setting under both names: a service ignores variables that it does not know.
fn under_both_names(settings: &Settings) -> Settings {
    let old = settings.iter().filter_map(|(name, value)| {
        let (_, old) = RENAMED.iter().find(|(new, _)| new == name)?;
        Some(((*old).to_owned(), value.clone()))
    });
    old.chain(settings.clone()).collect()
}

#[cfg(test)]
mod tests {
    use e2e::process::{changed, settings};

    use super::*;

    #[test]
    fn a_renamed_setting_is_given_under_both_names() {
        let new = settings(&[("SOLD_OUT_LEASE_MS", "500"), ("RUST_LOG", "warn")]);
        let both = changed(&new, &[("SOLD_OUT_SIGN_MS", "500")]);
        assert_eq!(under_both_names(&new), both);
    }
}
