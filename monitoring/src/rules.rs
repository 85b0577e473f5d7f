//! The rule file of Prometheus.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::query::Query;

/// All rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rule {
    Alert(Alert),
    Recorded { record: String, expr: String },
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

impl Rules {
    /// The alerts, in the order of the file.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.rules().filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Recorded { .. } => None,
        })
    }

    /// The recording rules. The place of each query is the name of the recorded metric.
    pub fn recorded(&self) -> impl Iterator<Item = Query> {
        self.rules().filter_map(|rule| match rule {
            Rule::Alert(_) => None,
            Rule::Recorded { record, expr } => Some(Query::new(record, expr)),
        })
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }
}
