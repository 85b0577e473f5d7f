//! A dashboard as people write it: what it shows, without how Grafana wants that said.

use anyhow::Result;
use serde::Deserialize;

/// One dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Description {
    pub title: String,
    pub about: String,
    pub rows: Vec<Row>,
}

/// Panels under a title. They flow from left to right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Row {
    pub title: String,
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Panel {
    pub title: String,
    pub about: String,
    /// Lines, unless said otherwise.
    #[serde(default, rename = "as")]
    pub form: Form,
    /// As Grafana names it.
    pub unit: String,
    /// Of 24 columns.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Whether the series stand on each other.
    #[serde(default)]
    pub stack: bool,
    /// From here on it is orange.
    pub warning: Option<f64>,
    /// From here on it is red.
    pub critical: Option<f64>,
    pub queries: Vec<Query>,
}

/// How a panel shows what it has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Lines over time.
    #[default]
    Lines,
    /// The last value, as a number.
    Stat,
}

/// What a panel asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Query {
    /// `{{label}}` stands for the series' own.
    #[serde(default)]
    pub legend: String,
    pub expr: String,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(yaml: &str) -> Result<Self> {
        Ok(serde_saphyr::from_str(yaml)?)
    }
}

impl Panel {
    /// Columns and rows of the grid.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let (width, height) = match self.form {
            Form::Lines => (8, 8),
            Form::Stat => (4, 4),
        };
        (self.width.unwrap_or(width), self.height.unwrap_or(height))
    }
}
