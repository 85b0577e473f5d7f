use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::query::{Query, Use};

/// Labels that Prometheus itself gives to whatever it scrapes.
const OF_EVERY_TARGET: [&str; 2] = ["job", "instance"];

/// Metrics that exist, and their labels.
#[derive(Debug, Default, Clone)]
pub struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    /// Adds what a `/metrics` answer has, in Prometheus's text format. Values and comments are not
    /// looked at.
    pub fn read(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with('#') {
                let end = line.find(['{', ' ']).unwrap_or(line.len());
                let (name, rest) = line.split_at(end);
                self.add(name, labels(rest));
            }
        }
    }

    /// Adds one metric.
    pub fn add(&mut self, name: &str, labels: impl IntoIterator<Item = String>) {
        self.0.entry(name.to_owned()).or_default().extend(labels);
    }

    /// Adds what `others` knows.
    pub fn extend(&mut self, others: Self) {
        for (name, labels) in others.0 {
            self.add(&name, labels);
        }
    }

    /// Adds what a recording rule makes: its labels are among those of what it is made of.
    pub(crate) fn add_recorded(&mut self, name: &str, query: &Query) -> Result<()> {
        let mut labels = BTreeSet::new();
        for used in query.uses()? {
            labels.extend(self.0.get(&used.metric).cloned().unwrap_or_default());
        }
        self.add(name, labels);
        Ok(())
    }

    /// What a query asks for in vain, in words.
    #[must_use]
    pub fn complaint(&self, used: &Use) -> Option<String> {
        let Some(labels) = self.0.get(&used.metric) else {
            return Some(format!("there is no metric {}", used.metric));
        };
        let has = |label: &String| labels.contains(label) || OF_EVERY_TARGET.contains(&&**label);
        let lacking: Vec<_> = used.labels.iter().filter(|it| !has(it)).cloned().collect();
        (!lacking.is_empty())
            .then(|| format!("{} has no label {}", used.metric, lacking.join(", ")))
    }
}

/// The names in `{name="value", …}`, whatever is in the values.
fn labels(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut name, mut in_value, mut escaped) = (String::new(), false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_value => escaped = true,
            '"' => in_value = !in_value,
            _ if in_value => {}
            '}' => break,
            '=' => names.push(std::mem::take(&mut name)),
            '{' | ',' | ' ' => {}
            _ => name.push(character),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(metric: &str, labels: &[&str]) -> Use {
        Use {
            metric: metric.to_owned(),
            labels: labels.iter().map(ToString::to_string).collect(),
            values: BTreeMap::new(),
        }
    }

    #[test]
    fn names_and_labels_are_read_from_metrics() {
        let mut known = Known::default();
        known.read(
            "# HELP http_total x{y=\"z\"}\n\
             http_total{route=\"/orders/{id}\",status=\"20\\\"2,a=\"} 3\n\
             up 1\n",
        );
        assert_eq!(known.complaint(&used("up", &["job"])), None);
        assert_eq!(
            known.complaint(&used("http_total", &["route", "status"])),
            None
        );
        let no_label = known
            .complaint(&used("http_total", &["a", "route"]))
            .unwrap();
        assert_eq!(no_label, "http_total has no label a");
        let no_metric = known.complaint(&used("down", &[])).unwrap();
        assert_eq!(no_metric, "there is no metric down");
    }

    #[test]
    fn what_is_recorded_has_the_labels_of_what_it_is_made_of() {
        let mut known = Known::default();
        known.read("free_bytes{mountpoint=\"/\"} 1");
        let query = Query::new("rule", "free_bytes / 2");
        known.add_recorded("free:half", &query).unwrap();
        assert_eq!(known.complaint(&used("free:half", &["mountpoint"])), None);
        assert!(known.complaint(&used("free:half", &["device"])).is_some());
    }
}
