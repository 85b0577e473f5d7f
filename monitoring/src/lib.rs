//! Alerts and dashboards as data, and what holds them together: every query in them is read, and every
//! metric that it asks for has to exist, with the labels and values by which it is chosen.

mod answers;
pub mod dashboard;
pub mod description;
mod files;
mod known;
pub mod plot;
mod prometheus;
mod query;
mod render;
pub mod rules;

use anyhow::Result;

pub use files::{dashboards, descriptions, exporters, folder, queries, rules};
pub use known::{Known, Labels};
pub use prometheus::{Prometheus, Range, Series};
pub use query::{Query, Use};

/// What dashboards and rules ask for that none of these has: `services` (their `/metrics`, see
/// [`Known::read`]), the exporters in `exporters/`, and the rules themselves.
///
/// One line for each, in words; empty when nothing is missing.
///
/// # Errors
/// When a file cannot be read, or a query is none.
pub fn missing(services: &Known) -> Result<Vec<String>> {
    let rules = rules()?;
    let mut known = services.clone();
    known.extend(files::exporters()?);
    for (name, query) in rules.recorded() {
        known.add_recorded(name, &query)?;
    }
    let mut missing = Vec::new();
    for query in files::queries()? {
        for used in query.uses()? {
            let complaint = known.complaint(&used);
            missing.extend(complaint.map(|it| format!("{}: {it}", query.place)));
        }
    }
    Ok(missing)
}
