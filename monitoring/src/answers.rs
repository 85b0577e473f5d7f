use anyhow::{Result, bail};

use crate::dashboard::{Panel, Target};
use crate::prometheus::{Prometheus, Range, Series};
use crate::query::Query;

/// A panel with what Prometheus has answered.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Shown {
    pub panel: Panel,
    pub lines: Vec<Line>,
}

/// One line of it.
#[derive(Debug, Clone)]
pub struct Line {
    /// As it stands in the legend.
    pub name: String,
    /// Seconds since the range began, and values.
    pub points: Vec<(f64, f64)>,
}

impl Shown {
    /// Asks everything that the panel asks. What goes wrong is added to `errors`, and the rest goes on.
    pub async fn ask(
        prometheus: &Prometheus,
        panel: &Panel,
        range: Range,
        errors: &mut Vec<String>,
    ) -> Self {
        let mut lines = Vec::new();
        for target in &panel.targets {
            match asked(prometheus, panel, target, range).await {
                Ok(more) => lines.extend(more),
                Err(error) => errors.push(format!("{error:#}")),
            }
        }
        Self {
            panel: panel.clone(),
            lines,
        }
    }

    /// Whether there is anything to be seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.is_empty())
    }
}

async fn asked(
    prometheus: &Prometheus,
    panel: &Panel,
    target: &Target,
    range: Range,
) -> Result<Vec<Line>> {
    let query = Query::new(panel.title.clone(), &target.expr);
    let series = prometheus.ask(&query, range).await?;
    series
        .into_iter()
        .map(|it| line(it, panel, target))
        .collect()
}

fn line(series: Series, panel: &Panel, target: &Target) -> Result<Line> {
    let mut name = target.legend_format.clone();
    for (label, value) in &series.labels {
        name = name.replace(&format!("{{{{{label}}}}}"), value);
    }
    // `vector(0)`, which fills in for series that are not there yet, has no labels either.
    if name.contains("{{") && !series.labels.is_empty() {
        bail!("{}: the answer has no labels for {name}", panel.title);
    }
    if name.contains("{{") {
        name = "none".to_owned();
    }
    Ok(Line {
        name,
        points: series.points,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(legend: &str, labels: &[(&str, &str)]) -> Result<String> {
        let json = serde_json::json!({
            "id": 1, "type": "timeseries", "title": "a panel", "gridPos": {"x": 0, "y": 0, "w": 8, "h": 8},
            "targets": [{ "refId": "A", "expr": "up", "legendFormat": legend,
                "datasource": {"type": "prometheus", "uid": "x"} }],
        });
        let panel: Panel = serde_json::from_value(json)?;
        let owned = |(label, value): &(&str, &str)| (label.to_string(), value.to_string());
        let series = Series {
            labels: labels.iter().map(owned).collect(),
            points: vec![(0.0, 1.0)],
        };
        Ok(line(series, &panel, &panel.targets[0])?.name)
    }

    #[test]
    fn a_legend_takes_its_words_from_the_series() {
        let name = named(
            "{{job}} at {{instance}}",
            &[("job", "api"), ("instance", "a:1")],
        );
        assert_eq!(name.unwrap(), "api at a:1");
        assert_eq!(named("{{status}}", &[]).unwrap(), "none");
        let error = named("{{stauts}}", &[("status", "503")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a panel: the answer has no labels for {{stauts}}"
        );
    }
}
