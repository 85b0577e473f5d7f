//! Checks that every query of dashboards and rules returns data from a Prometheus that scraped a sale.
//!
//! `panels URL START END`, with the times in seconds since 1970. Exit code 1 if a query has no data and uses no
//! metric of `no-data.yaml`, if Prometheus rejects a query, or if a legend names a label that a series lacks.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use monitoring::prometheus::{Range, Series};
use monitoring::rules::Alert;
use monitoring::{Excuse, Query, dashboards, excuses, rules};

struct Check {
    range: Range,
    excuses: Vec<Excuse>,
    /// How many queries each excuse excused.
    excused: Vec<usize>,
    /// Queries, and queries with data, of each dashboard and kind of rule.
    table: Vec<(String, usize, usize)>,
    errors: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Ok([url, start, end]) = <[String; 3]>::try_from(arguments) else {
        bail!("usage: panels URL START END");
    };
    let excuses = excuses()?;
    let mut check = Check {
        range: Range { url, start, end },
        excused: vec![0; excuses.len()],
        excuses,
        table: Vec::new(),
        errors: Vec::new(),
    };
    for (_, dashboard) in dashboards()? {
        check.begin(format!("dashboard {}", dashboard.title));
        for panel in dashboard.panels() {
            for target in &panel.queries {
                let place = format!("{}, {}", dashboard.title, panel.title);
                check.query(&Query::new(place, &target.expr), &target.legend)?;
            }
        }
    }
    let rules = rules()?;
    check.rules("recording rules", rules.recorded())?;
    check.rules("alerts", rules.alerts().map(Alert::query))?;
    Ok(check.report())
}

impl Check {
    fn begin(&mut self, title: String) {
        self.table.push((title, 0, 0));
    }

    /// A rule has data if each of its operands has: whether a condition holds depends on the sale.
    fn rules(&mut self, title: &str, rules: impl Iterator<Item = Query>) -> Result<()> {
        self.begin(title.to_owned());
        for rule in rules {
            for operand in rule.operands()? {
                self.query(&operand, "")?;
            }
        }
        Ok(())
    }

    fn query(&mut self, query: &Query, legend: &str) -> Result<()> {
        let answer = self.range.query(query);
        let (_, queries, with_data) = self.table.last_mut().context("begin() was called")?;
        *queries += 1;
        match answer {
            Err(error) => self.errors.push(format!("{error:#}")),
            Ok(series) if series.is_empty() => match self.excuse(query)? {
                Some(excuse) => self.excused[excuse] += 1,
                None => {
                    let error = format!("{}: no data: {}", query.place, query.expr);
                    self.errors.push(error);
                }
            },
            Ok(series) => {
                *with_data += 1;
                let unfilled = series.iter().find_map(|it| unfilled(legend, it));
                let error = unfilled.map(|it| format!("{}: no label for {it}", query.place));
                self.errors.extend(error);
            }
        }
        Ok(())
    }

    /// The first excuse for a metric that the query reads.
    fn excuse(&self, query: &Query) -> Result<Option<usize>> {
        let uses = query.uses()?;
        let applies = |it: &Excuse| uses.iter().any(|used| used.metric.starts_with(&it.metric));
        Ok(self.excuses.iter().position(applies))
    }

    fn report(mut self) -> ExitCode {
        println!("{:20} queries  with data", "");
        for (title, queries, with_data) in &self.table {
            println!("{title:20} {queries:7}  {with_data:9}");
        }
        for (Excuse { metric, reason }, count) in self.excuses.iter().zip(&self.excused) {
            println!("without data: {count} queries of {metric}*: {reason}");
            if *count == 0 {
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
