//! The services' metrics as their sources declare them: `name: Kind (buckets) ["label"] {"value"},`.

use std::collections::BTreeSet;
use std::fs;

use monitoring::{Known, Labels, folder};

const SERVICES: [(&str, &str); 3] = [
    ("ingest_api", "../crates/gate/src"),
    ("ingest_api", "../ingest-api/src"),
    ("inventory_worker", "../inventory-worker/src"),
];

struct Declared {
    name: String,
    kind: String,
    labels: Vec<String>,
    /// Of the only label: those that begin at zero.
    values: Vec<String>,
}

pub fn all() -> Known {
    let mut known = Known::default();
    for (service, path) in SERVICES {
        for metric in declared(service, &source(path)) {
            metric.add_to(&mut known);
        }
    }
    known
}

fn source(path: &str) -> String {
    fs::read_to_string(folder().join(path).join("metrics.rs")).unwrap()
}

/// Between two comments stands one metric, over one line or several.
fn declared(service: &str, source: &str) -> Vec<Declared> {
    let (_, all) = source.split_once("metrics! {").unwrap();
    let lines: Vec<_> = all.lines().map(str::trim).collect();
    let entries = lines.split(|line| line.starts_with("///"));
    let one = |entry: &[&str]| {
        let entry = entry.join(" ");
        let (name, kind) = entry.split_once(": ")?;
        let (_, labels) = kind.split_once(" [").unwrap_or_default();
        let (labels, values) = labels.split_once(']').unwrap_or_default();
        Some(Declared {
            name: format!("{service}_{name}"),
            kind: kind.to_owned(),
            labels: quoted(labels),
            values: quoted(values),
        })
    };
    entries.filter_map(one).collect()
}

fn quoted(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

impl Declared {
    fn add_to(self, known: &mut Known) {
        let Self { name, values, .. } = self;
        let labels = self.labels.into_iter();
        let mut labels: Labels = labels
            .map(|it| (it, values.iter().cloned().collect()))
            .collect();
        if self.kind.starts_with("Histogram") {
            known.add(&format!("{name}_count"), labels.clone());
            known.add(&format!("{name}_sum"), labels.clone());
            labels.insert("le".to_owned(), BTreeSet::new());
            known.add(&format!("{name}_bucket"), labels);
        } else {
            known.add(&name, labels);
        }
    }
}

#[test]
fn a_declared_metric_is_known_with_its_labels_and_values() {
    let source = r#"metrics! {
        "x";
        /// Seconds.
        seconds: HistogramVec (SECONDS) ["route", "outcome"],
        /// Rows.
        rows: Histogram ([1.0, 2.0]),
        /// Orders.
        orders_total: IntCounterVec ["outcome"]
            {"a", "b"},
    }"#;
    let mut known = Known::default();
    for metric in declared("x", source) {
        metric.add_to(&mut known);
    }
    let told = format!("{known:?}");
    for expected in [
        r#""x_seconds_bucket": {"le": {}, "outcome": {}, "route": {}}"#,
        r#""x_rows_count": {}"#,
        r#""x_orders_total": {"outcome": {"a", "b"}}"#,
    ] {
        assert!(told.contains(expected), "{told}");
    }
}
