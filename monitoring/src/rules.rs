//! The rule file of Prometheus.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::files::parse;
use crate::query::Query;

/// All rules, in the order of the file.
#[derive(Debug, Default)]
pub struct Rules {
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// The recording rules. The place of each query is the name of the recorded metric.
    pub recorded: Vec<Query>,
}

/// The rules in `alerts.yaml`.
///
/// # Errors
/// If the file cannot be read or parsed.
pub fn rules() -> Result<Rules> {
    let file: Value = parse("alerts.yaml")?;
    let groups = file["groups"].as_array().into_iter().flatten();
    let mut rules = Rules::default();
    for rule in groups
        .filter_map(|group| group["rules"].as_array())
        .flatten()
    {
        match rule["record"].as_str() {
            Some(name) => {
                let expr = rule["expr"].as_str().context("a rule has an expr")?;
                rules.recorded.push(Query::new(name, expr));
            }
            None => rules.alerts.push(Alert::deserialize(rule)?),
        }
    }
    Ok(rules)
}

/// An alert. Two alerts may share a name if their severities differ.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Alert {
    #[serde(rename = "alert")]
    pub name: String,
    pub expr: String,
    #[serde(rename = "for")]
    pub held_for: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Alert {
    /// `critical`, `warning` or `info`; empty if the label is missing.
    #[must_use]
    pub fn severity(&self) -> &str {
        self.labels.get("severity").map_or("", String::as_str)
    }

    /// The condition.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::new(format!("alert {}", self.name), &self.expr)
    }
}
