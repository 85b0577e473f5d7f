//! The programs of one build of Fluxgate, and the names of its settings in older builds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::service::Settings;

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
        for program in ["ingest-api", "inventory-worker", "bare"] {
            let path = folder.join(program);
            let hint = "cargo build --release --locked --workspace";
            ensure!(path.is_file(), "{} is not built: {hint}", path.display());
        }
        Ok(Self { name, folder })
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Passes every renamed setting under both names: a service ignores variables that it does not know.
pub fn under_both_names(settings: &Settings) -> Settings {
    let old = settings.iter().filter_map(|(name, value)| {
        let (_, old) = RENAMED.iter().find(|(new, _)| new == name)?;
        Some(((*old).to_owned(), value.clone()))
    });
    settings.iter().cloned().chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_setting_is_given_under_both_names() {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let settings = [("SOLD_OUT_LEASE_MS", "500"), ("RUST_LOG", "warn")].map(owned);
        let both = under_both_names(&settings.into());
        assert_eq!(both[2..], [owned(("SOLD_OUT_SIGN_MS", "500"))]);
    }
}
