//! Whether what a query looks for in a label is ever there.

use std::fs;
use std::path::Path;

use monitoring::{folder, queries};

const SERVICES: [(&str, &str); 2] = [
    ("ingest_api_", "../ingest-api/src"),
    ("inventory_worker_", "../inventory-worker/src"),
];
/// Their values are patterns, or not words of the service.
const NOT_LOOKED_AT: [&str; 2] = ["route", "status"];

fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let texts = entries.map(|path| match path.is_dir() {
        true => sources(&path),
        false => fs::read_to_string(path).unwrap(),
    });
    texts.collect()
}

#[test]
fn every_value_that_is_looked_for_stands_in_the_service() {
    let mut looked_for = 0;
    let queries = queries().unwrap();
    for (prefix, path) in SERVICES {
        let sources = sources(&folder().join(path));
        let uses = queries.iter().flat_map(|query| query.uses().unwrap());
        for used in uses.filter(|it| it.metric.starts_with(prefix)) {
            for (label, values) in used.values {
                if NOT_LOOKED_AT.contains(&label.as_str()) {
                    continue;
                }
                for value in values {
                    let metric = &used.metric;
                    assert!(
                        sources.contains(&format!("\"{value}\"")),
                        "{metric}: nothing in {path} says {label} is {value}"
                    );
                    looked_for += 1;
                }
            }
        }
    }
    assert!(looked_for > 0, "nothing was looked for");
}
