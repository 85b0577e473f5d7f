//! The services' metrics as their sources declare them: one line each, `name: Kind (buckets) ["label"]`.

use std::fs;

use monitoring::{Known, folder};

const SOURCES: [(&str, &str); 2] = [
    ("ingest_api", "../ingest-api/src/metrics.rs"),
    ("inventory_worker", "../inventory-worker/src/metrics.rs"),
];

pub fn all() -> Known {
    let mut known = Known::default();
    for (service, path) in SOURCES {
        let source = fs::read_to_string(folder().join(path)).unwrap();
        let (_, declared) = source.split_once("metrics! {").unwrap();
        let lines = declared.lines().map(str::trim);
        for line in lines.filter(|it| it.ends_with(',') && !it.starts_with("///")) {
            add(&mut known, service, line);
        }
    }
    known
}

fn add(known: &mut Known, service: &str, line: &str) {
    let (name, kind) = line.split_once(": ").unwrap();
    let labels = line.rsplit_once(" [").map_or("", |(_, it)| it);
    let labels = labels.split('"').skip(1).step_by(2).map(str::to_owned);
    let labels: Vec<_> = labels.collect();
    let name = format!("{service}_{name}");
    if kind.starts_with("Histogram") {
        known.add(
            &format!("{name}_bucket"),
            labels.iter().cloned().chain(["le".to_owned()]),
        );
        known.add(&format!("{name}_count"), labels.iter().cloned());
        known.add(&format!("{name}_sum"), labels);
    } else {
        known.add(&name, labels);
    }
}

#[test]
fn a_declared_metric_is_known_with_its_labels() {
    let mut known = Known::default();
    add(
        &mut known,
        "x",
        "seconds: HistogramVec (SECONDS) [\"route\", \"outcome\"],",
    );
    add(&mut known, "x", "rows: Histogram ([1.0, 2.0]),");
    let told = format!("{known:?}");
    assert!(
        told.contains(r#""x_seconds_bucket": {"le", "outcome", "route"}"#),
        "{told}"
    );
    assert!(told.contains(r#""x_rows_count": {}"#), "{told}");
}
