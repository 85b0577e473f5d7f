use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::dashboard::Dashboard;
use crate::description::Description;
use crate::known::Known;
use crate::query::Query;
use crate::rules::Rules;

/// Where all of it lies.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `alerts.yaml`.
///
/// # Errors
/// When it cannot be read.
pub fn rules() -> Result<Rules> {
    Rules::read(&read(&folder().join("alerts.yaml"))?)
}

/// The dashboards that Grafana reads, by file name.
///
/// # Errors
/// When one cannot be read.
pub fn dashboards() -> Result<Vec<(String, Dashboard)>> {
    all("grafana/dashboards", "json", Dashboard::read)
}

/// What they are made from, by file name.
///
/// # Errors
/// When one cannot be read.
pub fn descriptions() -> Result<Vec<(String, Description)>> {
    all("dashboards", "yaml", Description::read)
}

/// What exporters have, as far as it is used.
///
/// # Errors
/// When a list cannot be read.
pub fn exporters() -> Result<Known> {
    let mut known = Known::default();
    for (_, text) in all("exporters", "txt", |text| Ok(text.to_owned()))? {
        known.read(&text);
    }
    Ok(known)
}

/// Every query of the rules and the dashboards.
///
/// # Errors
/// When a file cannot be read.
pub fn queries() -> Result<Vec<Query>> {
    let rules = rules()?;
    let recorded = rules.recorded().map(|(_, query)| query);
    let mut queries: Vec<_> = rules
        .alerts()
        .map(|it| it.query())
        .chain(recorded)
        .collect();
    for (_, dashboard) in dashboards()? {
        queries.extend(dashboard.queries());
    }
    Ok(queries)
}

/// Names without their ending, sorted, with what `parse` makes of their text.
fn all<T>(
    subfolder: &str,
    ending: &str,
    parse: impl Fn(&str) -> Result<T>,
) -> Result<Vec<(String, T)>> {
    let subfolder = folder().join(subfolder);
    let entries = fs::read_dir(&subfolder).with_context(|| subfolder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|it| it == ending));
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
