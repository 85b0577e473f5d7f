//! The metrics, labels and values that exist, against which queries are checked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::query::{MetricUse, Query};

/// Labels that Prometheus adds to every series that it scrapes.
const OF_EVERY_TARGET: [&str; 2] = ["job", "instance"];

/// The values of each label. No values: they are not known.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// The metrics that exist, with their labels.
#[derive(Debug, Default, Clone)]
pub struct KnownMetrics(BTreeMap<String, Labels>);

impl KnownMetrics {
    /// Adds the series of a `/metrics` response, in the text format of Prometheus. Samples and comments are ignored.
    /// The value "" stands for values that are not known.
    ///
    /// # Errors
    /// If a line is not a series.
    pub fn read(&mut self, text: &str) -> Result<()> {
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|it| !it.is_empty() && !it.starts_with('#')) {
            let end = line.rfind('}').map(|it| it + 1).or_else(|| line.find(' '));
            // A series without its sample is a selector.
            for series in Query::new("/metrics", &line[..end.unwrap_or(line.len())]).uses()? {
                let values = series.values.into_iter();
                let known = |values: Vec<String>| values.into_iter().filter(|it| !it.is_empty());
                let labels = values.map(|(label, values)| (label, known(values).collect()));
                self.add(&series.metric, labels.collect());
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

    /// Adds all metrics of `others`.
    pub fn extend(&mut self, others: Self) {
        for (name, labels) in others.0 {
            self.add(&name, labels);
        }
    }

    /// Adds the metric of a recording rule. Its labels are among those of the metrics it reads.
    pub(crate) fn add_recorded(&mut self, query: &Query) -> Result<()> {
        let name = &query.place;
        self.add(name, Labels::new());
        for used in query.uses()? {
            let labels = self.0.get(&used.metric).cloned().unwrap_or_default();
            self.add(name, labels);
        }
        Ok(())
    }

    /// What of `used` does not exist, as a sentence.
    #[must_use]
    pub fn complaint(&self, used: &MetricUse) -> Option<String> {
        let metric = &used.metric;
        let Some(labels) = self.0.get(metric) else {
            return Some(format!("there is no metric {metric}"));
        };
        let has = |label: &String| labels.contains_key(label) || is_of_every_target(label);
        if let Some(label) = used.labels.iter().find(|it| !has(it)) {
            return Some(format!("{metric} has no label {label}"));
        }
        let wanted = used.values.iter();
        let mut wanted =
            wanted.flat_map(|(label, values)| values.iter().map(move |it| (label, it)));
        let lacks = |label: &String, value: &String| {
            let known = labels.get(label).filter(|it| !it.is_empty());
            is_plain(value) && known.is_some_and(|it| !it.contains(value))
        };
        let (label, value) = wanted.find(|(label, value)| lacks(label, value))?;
        Some(format!("{metric} never has {label}=\"{value}\""))
    }
}

fn is_of_every_target(label: &str) -> bool {
    OF_EVERY_TARGET.contains(&label)
}

/// Whether the value is literal, not a regular expression.
fn is_plain(value: &str) -> bool {
    let plain = |it: char| it.is_alphanumeric() || "_-/{}".contains(it);
    value.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> KnownMetrics {
        let mut known = KnownMetrics::default();
        known.read(text).unwrap();
        known
    }

    fn complaint(known: &KnownMetrics, selector: &str) -> Option<String> {
        let uses = Query::new("here", selector).uses().unwrap();
        known.complaint(&uses[0])
    }

    #[test]
    fn names_labels_and_values_are_read_from_metrics() {
        let known = known(
            "# HELP http_total x{y=\"z\"}\n\
             http_total{route=\"/orders/{id}\",status=\"202\"} 3\n\
             up 1\n",
        );
        assert_eq!(complaint(&known, r#"up{job="api"}"#), None);
        let exists = r#"http_total{route="/orders/{id}", status=~"202|5.."}"#;
        assert_eq!(complaint(&known, exists), None);
        let no_label = complaint(&known, r#"http_total{a="b"}"#).unwrap();
        assert_eq!(no_label, "http_total has no label a");
        let no_value = complaint(&known, r#"http_total{status=~"202|418"}"#).unwrap();
        assert_eq!(no_value, "http_total never has status=\"418\"");
        let no_metric = complaint(&known, "down").unwrap();
        assert_eq!(no_metric, "there is no metric down");
    }

    #[test]
    fn a_label_without_known_values_has_any_value() {
        let known = known(r#"lag{topic=""}"#);
        assert_eq!(complaint(&known, r#"lag{topic="orders"}"#), None);
    }

    #[test]
    fn a_recorded_metric_has_the_labels_of_the_metrics_it_reads() {
        let mut known = known(r#"free_bytes{mountpoint="/"} 1"#);
        let query = Query::new("free:half", "free_bytes / 2");
        known.add_recorded(&query).unwrap();
        assert_eq!(complaint(&known, r#"free:half{mountpoint="/"}"#), None);
        assert!(complaint(&known, r#"free:half{device="a"}"#).is_some());
    }
}
