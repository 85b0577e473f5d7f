//! Checks that every query of dashboards and rules returns data from a Prometheus that scraped a sale.
//!
//! `panels URL START END`, with the times in seconds since 1970. Exit code 1 if a query has no data and uses no
//! metric of `no-data.yaml`, if Prometheus rejects a query, or if a legend names a label that a series lacks.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use monitoring::rules::Alert;
use monitoring::{Query, dashboards, parse, rules};
use serde::Deserialize;

struct Check {
    /// URL, start and end.
    range: [String; 3],
    excuses: Vec<Excuse>,
    errors: Vec<String>,
}

/// Metrics that `make panels` cannot scrape, from `no-data.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Excuse {
    /// How the names of the metrics start.
    metric: String,
    /// Why they have no data.
    reason: String,
    /// Queries that it has excused.
    #[serde(skip)]
    queries: usize,
}

/// One series of an answer.
#[derive(Deserialize)]
struct Series {
    /// Labels and their values.
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Ok(range) = arguments.try_into() else {
        bail!("usage: panels URL START END");
    };
    let mut check = Check {
        range,
        excuses: parse("no-data.yaml")?,
        errors: Vec::new(),
    };
    println!("{:20} queries  with data", "");
    for (_, dashboard) in dashboards()? {
        let title = format!("dashboard {}", dashboard.title);
        check.queries(&title, &Vec::from_iter(dashboard.queries()))?;
    }
    let rules = rules()?;
    let alerts = rules.alerts.iter().map(Alert::query).collect();
    for (title, rules) in [("recording rules", rules.recorded), ("alerts", alerts)] {
        // A rule has data if each of its operands has: whether a condition holds depends on the sale.
        let operands: Result<Vec<_>> = rules.iter().map(Query::operands).collect();
        check.queries(title, &operands?.concat())?;
    }
    Ok(check.report())
}

impl Check {
    /// Sends these queries, and prints how many of them have data.
    fn queries(&mut self, title: &str, queries: &[Query]) -> Result<()> {
        let mut with_data = 0;
        for query in queries {
            match self.ask(query) {
                Err(error) => self.errors.push(format!("{}: {error:#}", query.place)),
                Ok(series) if series.is_empty() => self.excuse(query)?,
                Ok(series) => {
                    with_data += 1;
                    let unfilled = series.iter().find_map(|it| unfilled(&query.legend, it));
                    let error = unfilled.map(|it| format!("{}: no label for {it}", query.place));
                    self.errors.extend(error);
                }
            }
        }
        println!("{title:20} {:7}  {with_data:9}", queries.len());
        Ok(())
    }

    /// The series that have a finite value within the range.
    fn ask(&self, query: &Query) -> Result<Vec<Series>> {
        let mut promtool = Command::new("promtool");
        promtool.args(["query", "--format=json", "range", "--step=5s"]);
        let [url, start, end] = &self.range;
        promtool.args(["--start", start, "--end", end, url]);
        let output = promtool.arg(&query.expr).output();
        let output = output.context("promtool, of the Debian package prometheus")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut series: Vec<Series> = serde_json::from_slice(&output.stdout)?;
        let is_finite = |(_, value): &(f64, String)| value.parse().is_ok_and(f64::is_finite);
        series.retain(|it| it.values.iter().any(is_finite));
        Ok(series)
    }

    /// Counts a query without data for the first excuse of a metric that it reads. No excuse: an error.
    fn excuse(&mut self, query: &Query) -> Result<()> {
        let uses = query.uses()?;
        let applies =
            |it: &&mut Excuse| uses.iter().any(|used| used.metric.starts_with(&it.metric));
        match self.excuses.iter_mut().find(applies) {
            Some(excuse) => excuse.queries += 1,
            None => {
                let error = format!("{}: no data: {}", query.place, query.expr);
                self.errors.push(error);
            }
        }
        Ok(())
    }

    fn report(mut self) -> ExitCode {
        for Excuse {
            metric,
            reason,
            queries,
        } in &self.excuses
        {
            println!("without data: {queries} queries of {metric}*: {reason}");
            if *queries == 0 {
                let error = format!("no-data.yaml: {metric} excuses no query");
                self.errors.push(error);
            }
        }
        for error in &self.errors {
            println!("ERROR {error}");
        }
        ExitCode::from(u8::from(!self.errors.is_empty()))
    }
}

/// A `{{label}}` of the legend that the series lacks. `vector(0)` stands in for missing series and has no labels.
fn unfilled(legend: &str, series: &Series) -> Option<String> {
    let labels = legend
        .split("{{")
        .skip(1)
        .filter_map(|it| it.split("}}").next());
    let mut lacking = labels.filter(|label| !series.metric.contains_key(*label));
    (!series.metric.is_empty()).then(|| lacking.next().map(str::to_owned))?
}
