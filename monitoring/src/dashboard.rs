//! A dashboard as Grafana reads it: of its JSON, what is checked and plotted.

use anyhow::Result;
use serde::Deserialize;

use crate::query::Query;

/// One dashboard.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Dashboard {
    pub uid: String,
    pub title: String,
    pub description: String,
    pub panels: Vec<Panel>,
    pub annotations: List<Annotation>,
    pub templating: List<Variable>,
}

/// Grafana's way to write some lists.
#[derive(Debug, Clone, Deserialize)]
pub struct List<T> {
    /// What is in it.
    pub list: Vec<T>,
}

/// Marks on every panel, by a query.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Annotation {
    pub name: String,
    pub expr: String,
    pub datasource: Datasource,
}

/// What a person can choose above a dashboard.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Variable {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub query: String,
}

/// A panel, or the strip that begins a row of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Panel {
    pub id: u32,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub grid_pos: Place,
    pub datasource: Option<Datasource>,
    #[serde(default)]
    pub field_config: FieldConfig,
    #[serde(default)]
    pub targets: Vec<Target>,
}

/// On the dashboard's grid of 24 columns.
#[derive(Debug, Clone, Copy, Deserialize)]
#[allow(missing_docs)]
pub struct Place {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

/// Where queries go to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub struct Datasource {
    #[serde(rename = "type")]
    pub kind: String,
    pub uid: String,
}

/// How values are shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[allow(missing_docs)]
pub struct FieldConfig {
    pub defaults: Defaults,
}

/// How values are shown that no override is for.
#[derive(Debug, Clone, Default, Deserialize)]
#[allow(missing_docs)]
pub struct Defaults {
    pub unit: String,
    pub thresholds: Thresholds,
    pub custom: Option<Custom>,
}

/// From where on a value is worth a color.
#[derive(Debug, Clone, Default, Deserialize)]
#[allow(missing_docs)]
pub struct Thresholds {
    pub steps: Vec<Step>,
}

/// The first begins nowhere.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Step {
    pub value: Option<f64>,
    pub color: String,
}

/// What only time series have.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Custom {
    pub stacking: Stacking,
}

/// `normal` or `none`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Stacking {
    pub mode: String,
}

/// A query of a panel.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Target {
    pub ref_id: String,
    pub expr: String,
    pub legend_format: String,
    pub datasource: Datasource,
}

impl Dashboard {
    /// Reads a dashboard's JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &str) -> Result<Self> {
        Ok(serde_json::from_str(json)?)
    }

    /// Panels that show something.
    pub fn charts(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().filter(|panel| panel.kind != "row")
    }

    /// Every query in it.
    pub fn queries(&self) -> impl Iterator<Item = Query> {
        let marks = self.annotations.list.iter();
        let marks = marks.map(|it| Query::new(format!("{}, {}", self.title, it.name), &it.expr));
        marks.chain(self.charts().flat_map(|panel| {
            let place = format!("{}, {}", self.title, panel.title);
            let query = move |target: &Target| Query::new(place.clone(), &target.expr);
            panel.targets.iter().map(query)
        }))
    }
}

impl Panel {
    /// Whether its series stand on each other.
    #[must_use]
    pub fn is_stacked(&self) -> bool {
        let custom = self.field_config.defaults.custom.as_ref();
        custom.is_some_and(|it| it.stacking.mode == "normal")
    }

    /// Where a value becomes worth a color, and which.
    pub fn thresholds(&self) -> impl Iterator<Item = (f64, &str)> {
        let steps = self.field_config.defaults.thresholds.steps.iter();
        steps.filter_map(|step| Some((step.value?, step.color.as_str())))
    }
}
