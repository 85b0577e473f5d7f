//! The rule file of Prometheus.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::query::Query;

/// All rules, in the order of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "File")]
pub struct Rules {
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// The recording rules. The place of each query is the name of the recorded metric.
    pub recorded: Vec<Query>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    Alert(Alert),
    Recorded { record: String, expr: String },
}

impl From<File> for Rules {
    fn from(file: File) -> Self {
        let mut rules = Self::default();
        for rule in file.groups.into_iter().flat_map(|group| group.rules) {
            match rule {
                Rule::Alert(alert) => rules.alerts.push(alert),
                Rule::Recorded { record, expr } => rules.recorded.push(Query::new(record, &expr)),
            }
        }
        rules
    }
}
