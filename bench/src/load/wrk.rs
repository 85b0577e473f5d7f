//! wrk: as many requests as a number of connections can have answered, each waiting for its answer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::run_tool;
use crate::measurement::Latency;

/// One run of it.
#[derive(Debug, Clone)]
pub struct Wrk<'a> {
    /// The folder with the scripts.
    pub scripts: &'a Path,
    pub script: &'static str,
    pub connections: u32,
    pub seconds: u32,
    pub url: &'a str,
    /// What the script gets.
    pub arguments: Vec<String>,
}

/// What it reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub requests: u64,
    pub seconds: f64,
    pub latency: Latency,
    /// Connections and answers that failed.
    pub socket_errors: u64,
    /// Answers other than 2xx and 3xx.
    pub refused: u64,
}

/// wrk answers late when it closes many connections.
const GRACE: Duration = Duration::from_secs(20);

impl Wrk<'_> {
    pub async fn run(&self) -> Result<Report> {
        let limit = Duration::from_secs(self.seconds.into()) + GRACE;
        let mut wrk = Command::new("wrk");
        wrk.args(["--latency", "--threads", "2"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{}s", self.seconds)])
            .arg("--script")
            .arg(self.scripts.join(self.script))
            .args([self.url, "--"])
            .args(&self.arguments);
        let printed = run_tool(&mut wrk, limit).await?;
        parse(&printed).with_context(|| format!("wrk printed:\n{printed}"))
    }
}

fn parse(printed: &str) -> Option<Report> {
    let after = |head: &str| {
        let mut lines = printed.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(head))
    };
    let summary = printed.lines().find(|line| line.contains("requests in"))?;
    let mut summary = summary.split_whitespace();
    let requests = summary.next()?.parse().ok()?;
    let seconds = milliseconds(summary.nth(2)?.trim_end_matches(','))? / 1_000.0;
    let share = |head| milliseconds(after(head)?.trim());
    let socket_errors = match after("Socket errors:") {
        None => 0,
        Some(counts) => counts
            .split(',')
            .filter_map(|count| count.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum(),
    };
    let refused = match after("Non-2xx or 3xx responses:") {
        None => 0,
        Some(count) => count.trim().parse().ok()?,
    };
    Some(Report {
        requests,
        seconds,
        latency: Latency {
            p50: share("50%")?,
            p90: Some(share("90%")?),
            p95: None,
            p99: share("99%")?,
            max: milliseconds(after("Latency  ")?.split_whitespace().nth(2)?)?,
        },
        socket_errors,
        refused,
    })
}

/// wrk prints times with a unit of its choice.
fn milliseconds(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let factor = match &text[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
Running 5s test @ http://127.0.0.1:18091
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.40ms    1.11ms  31.20ms   80.01%
    Req/Sec    12.80k     1.20k   14.00k    70.00%
  Latency Distribution
     50%  390.00us
     75%    2.90ms
     90%    3.70ms
     99%    1.20s
  127310 requests in 5.01s, 34.10MB read
  Socket errors: connect 0, read 3, write 1, timeout 2
  Non-2xx or 3xx responses: 17
Requests/sec:  25411.18
Transfer/sec:      6.80MB
";

    #[test]
    fn a_report_is_read_with_its_errors_and_units() {
        let report = parse(PRINTED).unwrap();
        assert_eq!((report.requests, report.seconds), (127_310, 5.01));
        assert_eq!((report.socket_errors, report.refused), (6, 17));
        let latency = report.latency;
        assert_eq!((latency.p50, latency.p90), (0.39, Some(3.7)));
        assert_eq!((latency.p99, latency.max), (1_200.0, 31.2));
    }

    #[test]
    fn a_run_without_errors_has_no_lines_for_them() {
        let clean: Vec<_> = PRINTED
            .lines()
            .filter(|line| !line.contains("errors") && !line.contains("Non-2xx"))
            .collect();
        let report = parse(&clean.join("\n")).unwrap();
        assert_eq!((report.socket_errors, report.refused), (0, 0));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert_eq!(
            parse("unable to connect to 127.0.0.1:1 Connection refused"),
            None
        );
        assert_eq!(milliseconds("1.00x"), None);
    }
}
