//! The files of this package. Each function fails if a file cannot be read or parsed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dashboard::Dashboard;

/// The folder of this package.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The dashboards in `dashboards/`, each with its file name without extension.
pub fn dashboards() -> Result<Vec<(String, Dashboard)>> {
    let named = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok((name.into_owned(), parse(path)?))
    };
    paths("dashboards")?.iter().map(named).collect()
}

/// The tests in `alerts.test/`: those of alerts that share their input, as `promtool test rules` reads them.
pub fn alert_tests() -> Result<Vec<Value>> {
    let files = paths("alerts.test")?.into_iter().map(parse);
    let files: Vec<Value> = files.collect::<Result<_>>()?;
    let tests = files.iter().filter_map(|file| file["tests"].as_array());
    Ok(tests.flatten().cloned().collect())
}

/// The metrics of exporters that are in use, from `exporters/`, as an exporter prints them.
pub(crate) fn exporters() -> Result<String> {
    paths("exporters")?.iter().map(|it| read(it)).collect()
}

/// The files of a folder of this package, sorted.
pub fn paths(subfolder: &str) -> Result<Vec<PathBuf>> {
    let subfolder = folder().join(subfolder);
    let entries = fs::read_dir(&subfolder).with_context(|| subfolder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A YAML file of this package.
pub fn parse<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T> {
    let path = folder().join(path);
    let parsed = serde_saphyr::from_str(&read(&path)?);
    parsed.with_context(|| path.display().to_string())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
