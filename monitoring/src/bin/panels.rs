//! Asks a Prometheus whatever the dashboards and alerts ask, for a time that is over; plots the
//! dashboards from the answers.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use monitoring::dashboard::Dashboard;
use monitoring::plot::{Shown, picture};
use monitoring::{Prometheus, Query, Range, dashboards, rules};

/// Points of a line.
const POINTS: i64 = 72;

/// Exit code 1 where a query is an error or a legend stays unfilled; panels without data are only told.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where Prometheus answers.
    #[arg(long, default_value = "http://127.0.0.1:9090")]
    prometheus: String,
    /// The beginning, as in 2026-11-21T20:00:00Z; a quarter of an hour before the end by default.
    #[arg(long)]
    from: Option<Timestamp>,
    /// The end; now by default.
    #[arg(long)]
    to: Option<Timestamp>,
    /// A folder for `dashboard-<name>.svg`; nothing is plotted without it.
    #[arg(long)]
    svg: Option<PathBuf>,
}

impl Arguments {
    fn range(&self) -> Result<Range> {
        let to = self.to.unwrap_or_else(Timestamp::now);
        let from = self.from.unwrap_or(to - SignedDuration::from_mins(15));
        let seconds = to.duration_since(from).as_secs();
        ensure!(seconds > 0, "--from is not before --to");
        Ok(Range {
            from,
            to,
            step_seconds: u32::try_from((seconds / POINTS).max(1))?,
        })
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let range = arguments.range()?;
    let prometheus = Prometheus::at(&arguments.prometheus);
    let mut errors = Vec::new();
    for (name, dashboard) in dashboards()? {
        let shown = ask(&prometheus, &dashboard, range, &mut errors).await;
        if let Some(folder) = &arguments.svg {
            let path = folder.join(format!("dashboard-{name}.svg"));
            fs::write(path, picture(&dashboard, &shown, range)?)?;
        }
    }
    alerts(&prometheus, range, &mut errors).await?;
    for error in &errors {
        println!("ERROR {error}");
    }
    Ok(ExitCode::from(u8::from(!errors.is_empty())))
}

async fn ask(
    prometheus: &Prometheus,
    dashboard: &Dashboard,
    range: Range,
    errors: &mut Vec<String>,
) -> Vec<Shown> {
    let mut shown = Vec::new();
    for panel in dashboard.charts() {
        shown.push(Shown::ask(prometheus, panel, range, errors).await);
    }
    let empty = shown.iter().filter(|it| it.is_empty());
    let empty: Vec<_> = empty.map(|it| it.panel.title.as_str()).collect();
    println!(
        "{}: {} panels, no data in {:?}",
        dashboard.title,
        shown.len(),
        empty
    );
    shown
}

/// Which alerts fired, and what each expression says by itself.
async fn alerts(prometheus: &Prometheus, range: Range, errors: &mut Vec<String>) -> Result<()> {
    let mut held = BTreeSet::new();
    let rules = rules()?;
    for alert in rules.alerts() {
        match prometheus.ask(&alert.query(), range).await {
            Ok(series) if series.is_empty() => {}
            Ok(_) => drop(held.insert(format!("{} ({})", alert.name, alert.severity()))),
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    let firing = Query::new("firing", r#"ALERTS{alertstate="firing"}"#);
    let fired = prometheus.ask(&firing, range).await?.into_iter().map(|it| {
        let label = |name| it.labels.get(name).cloned().unwrap_or_default();
        format!("{} ({})", label("alertname"), label("severity"))
    });
    println!("alerts whose condition held: {held:?}");
    println!("alerts that fired: {:?}", fired.collect::<BTreeSet<_>>());
    Ok(())
}
