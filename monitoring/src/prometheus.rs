//! Range queries to a running Prometheus, through `promtool`.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::query::Query;

/// A Prometheus server and the time range that is asked for.
#[derive(Debug)]
pub struct Range {
    /// Such as `http://127.0.0.1:9090`.
    pub url: String,
    /// Seconds since 1970.
    pub start: String,
    /// Seconds since 1970.
    pub end: String,
}

/// One series of an answer.
#[derive(Debug, Deserialize)]
pub struct Series {
    /// Labels and their values.
    pub metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

impl Range {
    /// The series that have a finite value within the range.
    ///
    /// # Errors
    /// If Prometheus does not answer, or rejects the query.
    pub fn query(&self, query: &Query) -> Result<Vec<Series>> {
        let mut promtool = Command::new("promtool");
        promtool.args(["query", "--format=json", "range", "--step=5s"]);
        promtool.args(["--start", &self.start, "--end", &self.end, &self.url]);
        let output = promtool.arg(&query.expr).output();
        let output = output.context("promtool, of the Debian package prometheus")?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}", query.place, error.trim());
        }
        let mut series: Vec<Series> = serde_json::from_slice(&output.stdout)?;
        let is_finite = |(_, value): &(f64, String)| value.parse().is_ok_and(f64::is_finite);
        series.retain(|it| it.values.iter().any(is_finite));
        Ok(series)
    }
}
