use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use anyhow::Result;

use crate::query::{Query, Use};

/// Labels that Prometheus itself gives to whatever it scrapes.
const OF_EVERY_TARGET: [&str; 2] = ["job", "instance"];

/// Names of labels, and the values that each has; none where they are not known.
pub type Labels = BTreeMap<String, BTreeSet<String>>;

/// Metrics that exist.
#[derive(Debug, Default, Clone)]
pub struct Known(BTreeMap<String, Labels>);

impl Known {
    /// Adds what a `/metrics` answer has, in Prometheus's text format. Samples and comments are not
    /// looked at. A label with the value "" is one whose values are not known.
    pub fn read(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with('#') {
                let end = line.find(['{', ' ']).unwrap_or(line.len());
                let (name, rest) = line.split_at(end);
                self.add(name, labels(rest));
            }
        }
    }

    /// Adds one metric, or what else is known of its labels.
    pub fn add(&mut self, name: &str, labels: Labels) {
        let metric = self.0.entry(name.to_owned()).or_default();
        for (label, values) in labels {
            metric.entry(label).or_default().extend(values);
        }
    }

    /// Adds what `others` knows.
    pub fn extend(&mut self, others: Self) {
        for (name, labels) in others.0 {
            self.add(&name, labels);
        }
    }

    /// Adds what a recording rule makes: its labels are among those of what it is made of.
    pub(crate) fn add_recorded(&mut self, name: &str, query: &Query) -> Result<()> {
        self.add(name, Labels::new());
        for used in query.uses()? {
            let labels = self.0.get(&used.metric).cloned().unwrap_or_default();
            self.add(name, labels);
        }
        Ok(())
    }

    /// What a query asks for in vain, in words.
    #[must_use]
    pub fn complaint(&self, used: &Use) -> Option<String> {
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

/// Whether it is a word, and no pattern.
fn is_plain(value: &str) -> bool {
    let plain = |it: char| it.is_alphanumeric() || "_-/{}".contains(it);
    value.chars().all(plain)
}

/// What is in `{name="value", …}`.
fn labels(text: &str) -> Labels {
    let mut labels = Labels::new();
    let (mut name, mut value) = (String::new(), String::new());
    let (mut in_value, mut escaped) = (false, false);
    for character in text.chars() {
        match character {
            _ if escaped => {
                escaped = false;
                value.push(character);
            }
            '\\' if in_value => escaped = true,
            '"' if in_value => {
                in_value = false;
                let values = labels.entry(take(&mut name)).or_default();
                values.extend(Some(take(&mut value)).filter(|it| !it.is_empty()));
            }
            '"' => in_value = true,
            _ if in_value => value.push(character),
            '}' => break,
            '{' | ',' | ' ' | '=' => {}
            _ => name.push(character),
        }
    }
    labels
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
    fn names_labels_and_values_are_read_from_metrics() {
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
        let mut teapots = used("http_total", &["status"]);
        let wanted = ["20\"2,a=", "5..", "418"].map(str::to_owned);
        teapots.values.insert("status".to_owned(), wanted.into());
        let no_value = known.complaint(&teapots).unwrap();
        assert_eq!(no_value, "http_total never has status=\"418\"");
        let no_metric = known.complaint(&used("down", &[])).unwrap();
        assert_eq!(no_metric, "there is no metric down");
    }

    #[test]
    fn values_that_are_not_known_may_be_any() {
        let mut known = Known::default();
        known.read("lag{topic=\"\"}");
        let mut lag = used("lag", &["topic"]);
        lag.values
            .insert("topic".to_owned(), vec!["orders".to_owned()]);
        assert_eq!(known.complaint(&lag), None);
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
