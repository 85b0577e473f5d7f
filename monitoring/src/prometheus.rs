use std::collections::BTreeMap;

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde::Deserialize;

use crate::query::Query;

/// Prometheus's HTTP API.
#[derive(Debug, Clone)]
pub struct Prometheus {
    client: reqwest::Client,
    url: String,
}

/// From when to when, and how many seconds lie between two points.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Range {
    pub from: Timestamp,
    pub to: Timestamp,
    pub step_seconds: u32,
}

/// One line of an answer.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its labels, the metric's name left out.
    pub labels: BTreeMap<String, String>,
    /// Seconds since the range began, and values; those that are no number are left out.
    pub points: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Success { data: Data },
    Error { error: String },
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

impl Prometheus {
    /// One that answers at `url`, such as `http://127.0.0.1:9090`.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// What a query has to say over a range.
    ///
    /// # Errors
    /// When Prometheus does not answer, or takes it for no query.
    pub async fn ask(&self, query: &Query, range: Range) -> Result<Vec<Series>> {
        let begin = seconds(range.from);
        let parameters = [
            ("query", query.expr.clone()),
            ("start", begin.to_string()),
            ("end", seconds(range.to).to_string()),
            ("step", range.step_seconds.to_string()),
        ];
        let url = format!("{}/api/v1/query_range", self.url);
        let answer = self.client.get(url).query(&parameters).send().await?;
        match answer.json().await? {
            Answer::Error { error } => bail!("{}: {error}", query.place),
            Answer::Success { data } => {
                Ok(data.result.into_iter().map(|it| it.series(begin)).collect())
            }
        }
    }
}

impl Matrix {
    fn series(mut self, begin: f64) -> Series {
        self.metric.remove("__name__");
        let points = self.values.into_iter().filter_map(|(at, value)| {
            let value: f64 = value.parse().ok()?;
            value.is_finite().then_some((at - begin, value))
        });
        Series {
            labels: self.metric,
            points: points.collect(),
        }
    }
}

impl Range {
    /// Seconds from one end to the other.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.to.duration_since(self.from).as_secs_f64()
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}
