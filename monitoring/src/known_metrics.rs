//! The metrics, labels and values that exist, against which queries are checked.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::query::{Labels, MetricUse, Query};

/// Labels that Prometheus adds to every series that it scrapes.
const OF_EVERY_TARGET: [&str; 2] = ["job", "instance"];

/// The metrics that exist, with their labels.
#[derive(Debug, Default)]
pub struct KnownMetrics(BTreeMap<String, Labels>);

impl KnownMetrics {
    /// Adds the series of a `/metrics` response, in the text format of Prometheus. Samples and comments are ignored.
    /// The value "" stands for values that are not known.
    pub fn read(&mut self, text: &str) -> Result<()> {
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|it| !it.is_empty() && !it.starts_with('#')) {
            let end = line.rfind('}').map(|it| it + 1).or_else(|| line.find(' '));
            // A series without its sample is a selector.
            for mut series in Query::new("/metrics", &line[..end.unwrap_or(line.len())]).uses()? {
                for values in series.labels.values_mut() {
                    values.remove("");
                }
                self.add(&series.metric, series.labels);
            }
        }
        Ok(())
    }

    /// Adds a metric, or labels of a metric.
    fn add(&mut self, name: &str, labels: Labels) {
        let metric = self.0.entry(name.to_owned()).or_default();
        for (label, values) in labels {
            metric.entry(label).or_default().extend(values);
        }
    }

    /// Adds the metric of a recording rule. Its labels are among those of the metrics it reads.
    pub fn add_recorded(&mut self, query: &Query) -> Result<()> {
        let name = &query.place;
        self.add(name, Labels::new());
        for used in query.uses()? {
            let labels = self.0.get(&used.metric).cloned().unwrap_or_default();
            self.add(name, labels);
        }
        Ok(())
    }

    /// What of `used` does not exist, as a sentence.
    pub fn complaint(&self, used: &MetricUse) -> Option<String> {
        let metric = &used.metric;
        let Some(labels) = self.0.get(metric) else {
            return Some(format!("there is no metric {metric}"));
        };
        let mut wanted = used.labels.iter();
        wanted.find_map(|(label, values)| match labels.get(label) {
            None if OF_EVERY_TARGET.contains(&&**label) => None,
            None => Some(format!("{metric} has no label {label}")),
            Some(known) if known.is_empty() => None,
            Some(known) => {
                let mut lacking = values.difference(known).filter(|it| is_plain(it));
                let value = lacking.next()?;
                Some(format!("{metric} never has {label}=\"{value}\""))
            }
        })
    }
}

/// Whether the value is literal, not a regular expression.
fn is_plain(value: &str) -> bool {
    let plain = |it: char| it.is_alphanumeric() || "_-/{}".contains(it);
    value.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = r#"
        # HELP http_total x{y="z"}
        http_total{route="/orders/{id}",status="202"} 3
        up 1
        lag{topic=""}
        free_bytes{mountpoint="/"} 1
    "#;

    #[test]
    fn a_metric_a_label_and_a_value_that_do_not_exist_are_named() {
        let mut known = KnownMetrics::default();
        known.read(METRICS).unwrap();
        let recorded = Query::new("free:half", "free_bytes / 2");
        known.add_recorded(&recorded).unwrap();
        for (selector, expected) in [
            (r#"up{job="api"}"#, None),
            (
                r#"http_total{route="/orders/{id}", status=~"202|5.."}"#,
                None,
            ),
            (r#"http_total{a="b"}"#, Some("http_total has no label a")),
            (
                r#"http_total{status=~"202|418"}"#,
                Some(r#"http_total never has status="418""#),
            ),
            ("down", Some("there is no metric down")),
            // A label without known values has any value.
            (r#"lag{topic="orders"}"#, None),
            (r#"free:half{mountpoint="/"}"#, None),
            (
                r#"free:half{device="a"}"#,
                Some("free:half has no label device"),
            ),
        ] {
            let uses = Query::new("here", selector).uses().unwrap();
            let complaint = known.complaint(&uses[0]);
            assert_eq!(complaint.as_deref(), expected, "{selector}");
        }
    }
}
