//! A dashboard as it is written in `dashboards/*.yaml`: what it shows, without the details of Grafana.

#![allow(missing_docs)]

use serde::Deserialize;

use crate::query::Query;

/// The query that marks critical alerts on every panel.
pub const FIRING: &str = r#"ALERTS{alertstate="firing", severity="critical"}"#;

/// One dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    pub title: String,
    pub about: String,
    pub rows: Vec<Row>,
}

/// Panels under a title. They flow from left to right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub title: String,
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub title: String,
    pub about: String,
    #[serde(default, rename = "as")]
    pub form: Form,
    /// Grafana's name of the unit.
    pub unit: String,
    /// Columns, of 24, and rows of the grid, where they differ from those of its form.
    pub size: Option<(u32, u32)>,
    /// Whether the series are stacked.
    #[serde(default)]
    pub stack: bool,
    /// The value is orange from here on.
    pub warning: Option<f64>,
    /// The value is red from here on.
    pub critical: Option<f64>,
    pub queries: Vec<Target>,
}

/// How a panel shows its series.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Lines over time.
    #[default]
    Lines,
    /// The last value, as a number.
    Stat,
}

/// One query of a panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `{{label}}` stands for the value of a label.
    #[serde(default)]
    pub legend: String,
    /// PromQL, with `$__rate_interval` as Grafana provides it.
    pub expr: String,
}

impl Dashboard {
    /// All panels.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// The queries of all panels.
    pub fn queries(&self) -> impl Iterator<Item = Query> {
        self.panels().flat_map(move |panel| {
            let place = format!("{}, {}", self.title, panel.title);
            let query = move |target: &Target| Query {
                legend: target.legend.clone(),
                ..Query::new(place.clone(), &target.expr)
            };
            panel.queries.iter().map(query)
        })
    }
}
