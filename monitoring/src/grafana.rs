use anyhow::Result;
use serde_json::{Value, json};

use crate::dashboard::{Dashboard, FIRING, Form, Panel, Row, Target};

const COLUMNS: u32 = 24;
/// The version of Grafana 12. Older versions report it as unknown; newer ones convert the dashboard.
const SCHEMA_VERSION: u32 = 41;

impl Dashboard {
    /// The JSON that Grafana reads. `name` is the file name without extension.
    ///
    /// # Errors
    /// If the JSON cannot be written.
    pub fn json(&self, name: &str) -> Result<String> {
        let dashboard = json!({
            "uid": format!("fluxgate-{name}"),
            "title": format!("Fluxgate: {}", self.title),
            "description": self.about,
            "tags": ["fluxgate"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": false,
            "refresh": "10s",
            "time": { "from": "now-15m", "to": "now" },
            "graphTooltip": 1,
            "links": [{
                "type": "dashboards", "title": "Fluxgate", "tags": ["fluxgate"],
                "asDropdown": false, "includeVars": true, "keepTime": true,
            }],
            "templating": { "list": [
                { "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus" },
            ] },
            "annotations": { "list": [{
                "name": "Alerts", "enable": true, "iconColor": "red", "datasource": datasource(),
                "expr": FIRING,
                "titleFormat": "{{alertname}}", "step": "10s",
            }] },
            "panels": panels(&self.rows),
        });
        Ok(serde_json::to_string_pretty(&dashboard)? + "\n")
    }
}

fn panels(rows: &[Row]) -> Vec<Value> {
    let mut panels = Vec::new();
    let mut flow = Flow::default();
    for row in rows {
        let place = flow.line(1);
        panels.push(json!({
            "id": panels.len() + 1,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "gridPos": grid(place),
            "panels": [],
        }));
        for panel in &row.panels {
            let place = flow.place(panel.size());
            panels.push(json_of(panel, panels.len() + 1, place));
        }
    }
    panels
}

fn json_of(panel: &Panel, id: usize, place: Place) -> Value {
    let (kind, color, custom, options) = match panel.form {
        Form::Lines => (
            "timeseries",
            "palette-classic",
            json!({
                "lineWidth": 1,
                "fillOpacity": if panel.stack { 40 } else { 8 },
                "showPoints": "never",
                "stacking": { "mode": if panel.stack { "normal" } else { "none" } },
                "thresholdsStyle": { "mode": "line" },
            }),
            json!({
                "legend": { "showLegend": true, "displayMode": "list", "placement": "bottom" },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
        ),
        Form::Stat => (
            "stat",
            "thresholds",
            Value::Null,
            json!({
                "colorMode": "value",
                "graphMode": "area",
                "reduceOptions": { "calcs": ["lastNotNull"] },
            }),
        ),
    };
    let mut defaults = json!({
        "unit": panel.unit,
        "min": 0,
        "color": { "mode": color },
        "thresholds": { "mode": "absolute", "steps": steps(panel) },
    });
    if !custom.is_null() {
        defaults["custom"] = custom;
    }
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.about,
        "gridPos": grid(place),
        "datasource": datasource(),
        "fieldConfig": { "defaults": defaults, "overrides": [] },
        "options": options,
        "targets": targets(&panel.queries),
    })
}

/// The first color applies below all limits.
fn steps(panel: &Panel) -> Vec<Value> {
    let limits = [(panel.warning, "orange"), (panel.critical, "red")];
    let limits = limits
        .into_iter()
        .filter_map(|(value, color)| Some(json!({ "value": value?, "color": color })));
    std::iter::once(json!({ "value": null, "color": "green" }))
        .chain(limits)
        .collect()
}

fn targets(queries: &[Target]) -> Vec<Value> {
    let targets = ('A'..='Z').zip(queries).map(|(letter, query)| {
        json!({
            "refId": letter.to_string(),
            "datasource": datasource(),
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend,
            "range": true,
        })
    });
    targets.collect()
}

/// The data source that is selected above the dashboard.
fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn grid(Place { x, y, w, h }: Place) -> Value {
    json!({ "x": x, "y": y, "w": w, "h": h })
}

/// A rectangle of the grid.
#[derive(Clone, Copy)]
struct Place {
    x: u32,
    y: u32,
    w: u32,
    h: u32,
}

/// Places panels from left to right, and then below.
#[derive(Default)]
struct Flow {
    x: u32,
    y: u32,
    /// Where the next line starts.
    below: u32,
}

impl Flow {
    /// A place of full width.
    fn line(&mut self, h: u32) -> Place {
        self.x = COLUMNS;
        self.place((COLUMNS, h))
    }

    fn place(&mut self, (w, h): (u32, u32)) -> Place {
        if self.x + w > COLUMNS {
            (self.x, self.y) = (0, self.below);
        }
        let (x, y) = (self.x, self.y);
        self.x += w;
        self.below = self.below.max(y + h);
        Place { x, y, w, h }
    }
}
