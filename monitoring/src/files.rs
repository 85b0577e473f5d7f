use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dashboard::Dashboard;
use crate::known_metrics::KnownMetrics;
use crate::query::Query;
use crate::rules::Rules;

/// Metrics that `make panels` cannot scrape, from `no-data.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excuse {
    /// How the names of the metrics start.
    pub metric: String,
    /// Why they have no data.
    pub reason: String,
}

/// The folder of this package.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rules in `alerts.yaml`.
///
/// # Errors
/// If the file cannot be read or parsed. The same holds for the functions below.
pub fn rules() -> Result<Rules> {
    parse("alerts.yaml")
}

/// The metrics that have no data in `make panels`.
#[allow(clippy::missing_errors_doc, reason = "see rules()")]
pub fn excuses() -> Result<Vec<Excuse>> {
    parse("no-data.yaml")
}

/// The dashboards in `dashboards/`, each with its file name.
#[allow(clippy::missing_errors_doc, reason = "see rules()")]
pub fn dashboards() -> Result<Vec<(String, Dashboard)>> {
    all("dashboards", |text| Ok(serde_saphyr::from_str(text)?))
}

/// The metrics of exporters that are in use, from `exporters/`.
pub(crate) fn exporters() -> Result<KnownMetrics> {
    let mut known = KnownMetrics::default();
    all("exporters", |text| known.read(text))?;
    Ok(known)
}

/// The input series of the tests in `alerts.test/`.
pub(crate) fn test_series() -> Result<Vec<Query>> {
    let files: Vec<(_, Value)> = all("alerts.test", |text| Ok(serde_saphyr::from_str(text)?))?;
    let array = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let tests = files.iter().flat_map(|(_, file)| array(&file["tests"]));
    let series = tests.flat_map(|test| {
        let place = test["name"].to_string();
        let inputs = array(&test["input_series"]).into_iter();
        inputs.map(move |it| Query::new(&*place, it["series"].as_str().unwrap_or_default()))
    });
    Ok(series.collect())
}

fn parse<T: DeserializeOwned>(file: &str) -> Result<T> {
    Ok(serde_saphyr::from_str(&read(&folder().join(file))?)?)
}

/// File names without extension, sorted, each with the parsed content.
fn all<T>(subfolder: &str, mut parse: impl FnMut(&str) -> Result<T>) -> Result<Vec<(String, T)>> {
    let subfolder = folder().join(subfolder);
    let entries = fs::read_dir(&subfolder).with_context(|| subfolder.display().to_string())?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.sort();
    let parsed = paths.iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let parsed = parse(&read(path)?).with_context(|| path.display().to_string())?;
        Ok((name.into_owned(), parsed))
    });
    parsed.collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
