//! The JSON of a dashboard: the templates in `templates/`, in the format of Grafana 12, filled with its panels.

use anyhow::Result;
use serde_json::{Value, json};

use crate::dashboard::{Dashboard, FIRING, Form, Panel, Row};

const DASHBOARD: &str = include_str!("../templates/dashboard.json");
const ROW: &str = include_str!("../templates/row.json");
const LINES: &str = include_str!("../templates/lines.json");
const STAT: &str = include_str!("../templates/stat.json");
const COLUMNS: u64 = 24;

impl Dashboard {
    /// The JSON that Grafana reads. `name` is the file name without extension.
    ///
    /// # Errors
    /// If a template is not JSON.
    pub fn json(&self, name: &str) -> Result<String> {
        let mut dashboard: Value = serde_json::from_str(DASHBOARD)?;
        dashboard["uid"] = json!(format!("fluxgate-{name}"));
        dashboard["title"] = json!(format!("Fluxgate: {}", self.title));
        dashboard["description"] = json!(self.about);
        dashboard["annotations"]["list"][0]["expr"] = json!(FIRING);
        dashboard["panels"] = json!(panels(&self.rows)?);
        Ok(serde_json::to_string_pretty(&dashboard)? + "\n")
    }
}

/// The panels, with a heading above those of each row.
fn panels(rows: &[Row]) -> Result<Vec<Value>> {
    let mut panels = Vec::new();
    for row in rows {
        let mut heading: Value = serde_json::from_str(ROW)?;
        heading["title"] = json!(row.title);
        heading["gridPos"] = json!({ "w": COLUMNS, "h": 1 });
        panels.push(heading);
        for panel in &row.panels {
            panels.push(filled(panel)?);
        }
    }
    for (id, panel) in (1..).zip(&mut panels) {
        panel["id"] = json!(id);
    }
    place(&mut panels);
    Ok(panels)
}

fn filled(panel: &Panel) -> Result<Value> {
    let template = match panel.form {
        Form::Lines => LINES,
        Form::Stat => STAT,
    };
    let mut json: Value = serde_json::from_str(template)?;
    json["title"] = json!(panel.title);
    json["description"] = json!(panel.about);
    if let Some((width, height)) = panel.size {
        json["gridPos"] = json!({ "w": width, "h": height });
    }
    let targets = ('A'..='Z').zip(&panel.queries).map(|(letter, query)| {
        json!({
            "refId": letter.to_string(),
            "datasource": json["datasource"],
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend,
            "range": true,
        })
    });
    json["targets"] = targets.collect();
    let defaults = &mut json["fieldConfig"]["defaults"];
    defaults["unit"] = json!(panel.unit);
    // The first color applies below all limits.
    let limits = [(panel.warning, "orange"), (panel.critical, "red")];
    let limits = limits.into_iter().filter(|(value, _)| value.is_some());
    let steps = std::iter::once((None, "green")).chain(limits);
    let steps = steps.map(|(value, color)| json!({ "value": value, "color": color }));
    defaults["thresholds"] = json!({ "mode": "absolute", "steps": Vec::from_iter(steps) });
    if panel.stack {
        defaults["custom"]["fillOpacity"] = json!(40);
        defaults["custom"]["stacking"]["mode"] = json!("normal");
    }
    Ok(json)
}

/// Places panels from left to right, and then below.
fn place(panels: &mut [Value]) {
    let (mut x, mut y, mut below) = (0, 0, 0);
    for place in panels.iter_mut().map(|panel| &mut panel["gridPos"]) {
        let size = |side: &str| place[side].as_u64().unwrap_or(COLUMNS);
        let (width, height) = (size("w"), size("h"));
        if x + width > COLUMNS {
            (x, y) = (0, below);
        }
        (place["x"], place["y"]) = (json!(x), json!(y));
        x += width;
        below = below.max(y + height);
    }
}
