use anyhow::Result;
use serde::Serialize;

use super::TAKEN_EVERY;
use super::sale::InRedis;
use super::samples::{ALL, Of, Sample, growth};
use crate::machine::Machine;
use crate::measurement::Moment;
use crate::result::page::html;
use crate::result::plots::{Line, latencies, lines};
use crate::result::{ms, table};

/// MiB a minute that are too many for one of our processes.
const GROWTH_LIMIT: f64 = 1.0;
/// Our own processes: the first of [`ALL`].
const OURS: usize = 2;
/// Of what the orders took, as much has to be back once the sale has expired.
const SHARE_BACK: f64 = 0.95;
/// More errors than one in so many orders are a failure.
const ONE_ERROR_IN: u64 = 1_000;

#[derive(Debug, Serialize)]
pub struct Outcome {
    pub machine: Machine,
    pub per_second: u32,
    pub seconds: u32,
    pub taken_every: u64,
    pub errors: u64,
    pub latency_ms: Vec<Moment>,
    pub samples: Vec<Sample>,
    pub in_redis: InRedis,
}

impl InRedis {
    /// Of all that Redis takes for an order that is taken.
    fn each(&self) -> f64 {
        more(self.before, self.after) / self.taken.max(1) as f64
    }

    /// Of the entry that an order has until Kafka has it.
    fn entry_each(&self) -> f64 {
        more(self.emptied, self.waiting) / self.entries.max(1) as f64
    }

    /// Of what it had grown by, when the sale was closed.
    fn share_back(&self) -> f64 {
        more(self.expired, self.at_closing) / more(self.before, self.at_closing).max(1.0)
    }
}

fn more(before: u64, after: u64) -> f64 {
    after.saturating_sub(before) as f64
}

impl Outcome {
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Everything that is not as it has to be.
    pub fn falls_short(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (name, of) in &ALL[..OURS] {
            let growth = growth(&self.samples, *of);
            if growth > GROWTH_LIMIT {
                all.push(format!("{name} grows by {growth:.2} MiB a minute"));
            }
        }
        let orders = u64::from(self.per_second) * u64::from(self.seconds);
        if self.errors > orders / ONE_ERROR_IN {
            all.push(format!("{} errors in {orders} orders", self.errors));
        }
        if self.in_redis.share_back() < SHARE_BACK {
            let percent = self.in_redis.share_back() * 100.0;
            all.push(format!(
                "only {percent:.1} % of the sale's memory came back"
            ));
        }
        all
    }

    pub fn markdown(&self) -> String {
        let a_minute = f64::from(self.per_second) * 60.0 / TAKEN_EVERY as f64;
        let mut text = format!(
            "{} {} orders a second for {} s, one in {TAKEN_EVERY} taken ({a_minute:.0} a minute); {} errors.\n\n",
            self.machine.sentence(),
            self.per_second,
            self.seconds,
            self.errors
        );
        let lines: Vec<String> = (0..).zip(&ALL).map(|(n, it)| self.line(n, it)).collect();
        text += &table(
            "| MiB | first | half-way | last | most | growth in the second half, MiB a minute | limit |",
            &lines,
        );
        text += &self.latency();
        text += &self.redis();
        let short = self.falls_short();
        if !short.is_empty() {
            text += &format!("\nFalls short: {}.\n", short.join("; "));
        }
        text
    }

    fn line(&self, number: usize, (name, of): &(&str, Of)) -> String {
        let mib = |sample: Option<&Sample>| sample.map_or(0.0, |it| of(it) as f64 / 1_024.0);
        let (first, last) = (self.samples.first(), self.samples.last());
        let half = self.samples.get(self.samples.len() / 2);
        let most = self.samples.iter().max_by_key(|it| of(it));
        let limit = if number < OURS {
            format!("{GROWTH_LIMIT}")
        } else {
            String::new()
        };
        format!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {limit} |",
            mib(first),
            mib(half),
            mib(last),
            mib(most),
            growth(&self.samples, *of)
        )
    }

    fn latency(&self) -> String {
        let (Some(first), Some(last)) = (self.latency_ms.first(), self.latency_ms.last()) else {
            return String::new();
        };
        format!(
            "\nLatency from due to answered, p50 and p99: {} and {} ms in the first sixtieth of the time, {} and {} ms in the last.\n",
            ms(first.p50_ms),
            ms(first.p99_ms),
            ms(last.p50_ms),
            ms(last.p99_ms)
        )
    }

    fn redis(&self) -> String {
        let it = &self.in_redis;
        let taken = it.taken.max(1) as f64;
        let lines = [
            ("an order that is taken, in all", it.each()),
            (
                "of it its record, which answers retries",
                it.orders as f64 / taken,
            ),
            (
                "of it the units of its user, in a sale with a limit",
                it.users as f64 / taken,
            ),
            ("its outbox entry, until Kafka has it", it.entry_each()),
        ];
        let lines = lines.map(|(what, bytes)| format!("| {what} | {bytes:.0} |"));
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        format!(
            "\n{}\n{} orders, each of another user. With Kafka away {} more waited; the outbox grew to {:.1} MiB and \
             went back to {:.2} MiB. Redis held {:.1} MiB before, {:.1} MiB when the sale was closed, and {:.1} MiB \
             after {:.1} s, when its records had expired: {:.1} % of it came back.\n",
            table("| in Redis | bytes |", &lines),
            it.taken,
            it.entries,
            mib(it.waiting),
            mib(it.emptied),
            mib(it.before),
            mib(it.at_closing),
            mib(it.expired),
            it.expired_after_seconds,
            it.share_back() * 100.0,
        )
    }

    /// With the pictures; needs nothing else to be looked at.
    pub fn page(&self) -> Result<String> {
        let of = |picked: &[(&str, Of)]| {
            let all: Vec<Line> = (0..)
                .zip(picked)
                .map(|(kind, (_, of))| Line {
                    kind,
                    points: self
                        .samples
                        .iter()
                        .map(|it| (it.at, of(it) as f64 / 1_024.0))
                        .collect(),
                })
                .collect();
            let names: Vec<&str> = picked.iter().map(|(name, _)| *name).collect();
            lines(&names, &all, "seconds", "MiB")
        };
        let moments = std::iter::once(self.latency_ms.as_slice());
        let pictures = [
            ("Memory of our processes", of(&ALL[..OURS])?),
            (
                "Memory of Redis: it grows with every order that is taken",
                of(&ALL[OURS..OURS + 1])?,
            ),
            ("Memory of Kafka and PostgreSQL", of(&ALL[OURS + 1..])?),
            ("Latency", latencies(moments, ["p50", "p99"])?),
        ];
        Ok(html("Fluxgate soak", &pictures, &self.markdown()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::samples::tests::samples;

    fn outcome() -> Outcome {
        Outcome {
            machine: Machine::look(std::path::Path::new(".")),
            per_second: 1_000,
            seconds: 200,
            taken_every: TAKEN_EVERY,
            errors: 0,
            latency_ms: Vec::new(),
            samples: samples(),
            in_redis: InRedis {
                taken: 1_000,
                before: 50_000,
                after: 350_000,
                orders: 200_000,
                users: 90_000,
                waiting: 60_000,
                entries: 1_000,
                emptied: 10_000,
                at_closing: 450_000,
                expired: 51_000,
                expired_after_seconds: 6.0,
            },
        }
    }

    #[test]
    fn bytes_are_told_for_each_order_and_each_entry() {
        let it = outcome().in_redis;
        assert_eq!((it.each(), it.entry_each()), (300.0, 50.0));
        assert!(it.share_back() > 0.99);
        let text = outcome().markdown();
        assert!(
            text.contains("| in Redis | bytes |\n|---|---|\n| an order"),
            "{text}"
        );
    }

    #[test]
    fn a_process_that_grows_falls_short_and_one_that_only_warms_up_does_not() {
        let short = outcome().falls_short();
        assert_eq!(short, ["ingest-api grows by 12.00 MiB a minute"]);
    }

    #[test]
    fn memory_that_stays_and_errors_fall_short() {
        let mut outcome = outcome();
        outcome.in_redis.expired = 400_000;
        outcome.errors = 201;
        assert_eq!(outcome.falls_short().len(), 3);
    }

    #[test]
    fn the_page_shows_all_pictures() {
        assert_eq!(outcome().page().unwrap().matches("<svg").count(), 4);
    }
}
