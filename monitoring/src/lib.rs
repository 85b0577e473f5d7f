//! Generates the Grafana dashboards and checks them together with the alerts: every query parses, and every
//! metric that a query reads exists, with the labels and values that the query selects.

pub mod dashboard;
mod files;
mod grafana;
mod known_metrics;
mod query;
pub mod rules;

use std::collections::BTreeSet;

use anyhow::Result;

pub use files::{alert_tests, dashboards, folder, parse, paths};
pub use query::{Labels, MetricUse, Query};
pub use rules::rules;

use known_metrics::KnownMetrics;

/// The metrics, labels and values that dashboards, rules and tests of rules use and that do not exist. One sentence
/// each.
///
/// `metrics` are the `/metrics` of the services. Those of exporters and recording rules are added here.
///
/// # Errors
/// If a file cannot be read, or a query does not parse.
pub fn missing(metrics: &str) -> Result<Vec<String>> {
    let rules = rules()?;
    let mut known = KnownMetrics::default();
    known.read(metrics)?;
    known.read(&files::exporters()?)?;
    for query in &rules.recorded {
        known.add_recorded(query)?;
    }
    let mut queries = rules.recorded;
    queries.extend(rules.alerts.iter().map(rules::Alert::query));
    queries.push(Query::new("annotation of all panels", dashboard::FIRING));
    for (_, dashboard) in dashboards()? {
        queries.extend(dashboard.queries());
    }
    let mut missing = Vec::new();
    let mut check = |place: &str, used: &MetricUse| {
        let complaint = known.complaint(used);
        missing.extend(complaint.map(|it| format!("{place}: {it}")));
    };
    for query in &queries {
        query.uses()?.iter().for_each(|it| check(&query.place, it));
    }
    for test in alert_tests()? {
        let inputs = test["input_series"].as_array().into_iter().flatten();
        for series in inputs.filter_map(|it| it["series"].as_str()) {
            for mut used in Query::new("", series).uses()? {
                // A test may use a value that the services have not exported yet.
                used.labels.values_mut().for_each(BTreeSet::clear);
                check(&test["name"].to_string(), &used);
            }
        }
    }
    Ok(missing)
}
