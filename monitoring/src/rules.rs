//! Prometheus's rule file.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::query::Query;

/// All rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rule {
    Alert(Alert),
    Recorded { record: String, expr: String },
}

/// An alert. One name may be given to two, of different severity.
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
    /// `critical`, `warning` or `info`; empty where nobody said.
    #[must_use]
    pub fn severity(&self) -> &str {
        self.labels.get("severity").map_or("", String::as_str)
    }

    /// What it asks.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::new(format!("alert {}", self.name), &self.expr)
    }
}

impl Rules {
    /// Reads a rule file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Self> {
        Ok(serde_saphyr::from_str(text)?)
    }

    /// The alerts, in the file's order.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.rules().filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Recorded { .. } => None,
        })
    }

    /// Names and queries of what is recorded.
    pub fn recorded(&self) -> impl Iterator<Item = (&str, Query)> {
        self.rules().filter_map(|rule| match rule {
            Rule::Alert(_) => None,
            Rule::Recorded { record, expr } => {
                Some((record.as_str(), Query::new(format!("rule {record}"), expr)))
            }
        })
    }

    /// Names of the groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }
}
