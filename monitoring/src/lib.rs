//! Generates the Grafana dashboards and checks them together with the alerts: every query parses, and every
//! metric that a query reads exists, with the labels and values that the query selects.

pub mod dashboard;
mod files;
mod grafana;
mod known_metrics;
pub mod prometheus;
mod query;
pub mod rules;

use anyhow::Result;

pub use files::{Excuse, dashboards, excuses, folder, rules};
pub use known_metrics::KnownMetrics;
pub use query::{MetricUse, Query};

/// The metrics, labels and values that dashboards, rules and tests of rules use and that do not exist. One sentence
/// each.
///
/// `services` are the metrics of the services. Those of exporters and recording rules are added here.
///
/// # Errors
/// If a file cannot be read, or a query does not parse.
pub fn missing(services: &KnownMetrics) -> Result<Vec<String>> {
    let rules = rules()?;
    let mut known = services.clone();
    known.extend(files::exporters()?);
    for query in rules.recorded() {
        known.add_recorded(&query)?;
    }
    let mut queries: Vec<_> = rules.recorded().collect();
    queries.extend(rules.alerts().map(rules::Alert::query));
    for (_, dashboard) in dashboards()? {
        queries.extend(dashboard.queries());
    }
    let mut missing = Vec::new();
    for query in &queries {
        for used in query.uses()? {
            let complaint = known.complaint(&used);
            missing.extend(complaint.map(|it| format!("{}: {it}", query.place)));
        }
    }
    for series in files::test_series()? {
        for mut used in series.uses()? {
            used.values.clear(); // a test may use a value that the services have not exported yet
            let complaint = known.complaint(&used);
            missing.extend(complaint.map(|it| format!("{}: {it}", series.place)));
        }
    }
    Ok(missing)
}
