//! Instances of the API come and go behind nginx while orders come in; one is killed and started again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use super::access_log::Failures;
use super::nginx::{Nginx, Repeat};
use super::{
    STOP_LIMIT, UNITS_ENOUGH, WRITE_LIMIT, ms, open_on_each_partition, start_load, summary,
};
use crate::answer::Failure;
use crate::load::check::check;
use crate::load::history::{History, micros, percentiles};
use crate::load::player::Running;
use crate::load::report::{Report, count_failures};
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};
use crate::wait::wait_until;

/// Longest until an instance gets orders: nginx leaves one that failed out for five seconds.
const ORDERS_LIMIT: Duration = Duration::from_secs(60);
/// How long an instance is frozen before it is killed, so that requests are under way there.
const FREEZE: Duration = Duration::from_millis(100);
const WORKERS: usize = 2;

#[derive(Debug, Clone)]
pub struct Run {
    pub repeat: Repeat,
    pub per_second: u32,
    /// How long each number of instances is kept.
    pub hold: Duration,
}

/// A part of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    pub what: String,
    /// Orders that were due.
    pub orders: usize,
    /// Tries that failed.
    pub failed: BTreeMap<Failure, u64>,
    /// From when orders were due until they were answered: p50, p99.
    pub latency: [Duration; 2],
    /// The longest time without a 202.
    pub gap: Duration,
}

#[derive(Debug)]
pub struct Outcome {
    pub run: Run,
    pub phases: Vec<Phase>,
    /// Requests that failed, by nginx's log.
    pub failures: Failures,
    pub report: Report,
}

/// What runs, and what was done when.
struct Scaling<'a> {
    sandbox: &'a Sandbox,
    hold: Duration,
    nginx: Nginx,
    instances: Vec<Process>,
    load: Running,
    phases: Vec<(String, Range<u64>)>,
}

/// Instances: 1, 4; one killed and started again; 2.
///
/// # Errors
/// When a service fails. What is wrong with single orders is in the report.
pub async fn run(sandbox: &Sandbox, run: Run) -> Result<Outcome> {
    let _workers = try_join_all((0..WORKERS).map(|_| sandbox.worker())).await?;
    let instances = vec![sandbox.api().await?];
    let nginx = Nginx::start(&instances, run.repeat, sandbox.folder()).await?;
    let mut deployment = sandbox.deployment(&[]);
    deployment.urls = vec![nginx.url().to_owned()];
    let sales = open_on_each_partition(&deployment.admin()?, UNITS_ENOUGH).await?;
    let load = start_load(&deployment, &sales, run.per_second)?;
    let (hold, phases) = (run.hold, Vec::new());
    let mut scaling = Scaling {
        sandbox,
        hold,
        nginx,
        instances,
        load,
        phases,
    };
    scaling.hold("1 instance").await?;
    scaling.grow_to_four().await?;
    scaling.hold("4 instances").await?;
    let (address, death) = scaling.kill_one_and_start_it_again().await?;
    scaling.hold("4 instances").await?;
    scaling.shrink_to_two().await?;
    scaling.hold("2 instances").await?;

    scaling.load.stop();
    let history = scaling.load.finish().await?;
    let findings = check(&history, &sandbox.stores, WRITE_LIMIT).await?;
    let phase = |(what, window)| phase(&history, what, window);
    Ok(Outcome {
        phases: scaling.phases.into_iter().map(phase).collect(),
        failures: Failures::of(&scaling.nginx.access_log()?, &address, death),
        report: Report::of(&history, findings),
        run,
    })
}

impl Scaling<'_> {
    fn begin_phase(&mut self, what: &str) {
        let now = micros(self.load.begin().elapsed());
        if let Some((_, last)) = self.phases.last_mut() {
            last.end = now;
        }
        self.phases.push((what.to_owned(), now..u64::MAX));
    }

    async fn hold(&mut self, what: &str) -> Result<()> {
        self.begin_phase(what);
        self.load.continues_for(self.hold).await
    }

    async fn grow_to_four(&mut self) -> Result<()> {
        self.begin_phase("1 -> 4 instances");
        let more = try_join_all((0..3).map(|_| self.sandbox.api())).await?;
        self.instances.extend(more);
        self.nginx.reload(&self.instances).await?;
        for instance in &self.instances {
            gets_orders(instance).await?;
        }
        Ok(())
    }

    /// Where it listens, and when it died.
    async fn kill_one_and_start_it_again(&mut self) -> Result<(String, Range<f64>)> {
        self.begin_phase("kill -9 one, start it again");
        let victim = self.instances.first_mut().context("there are instances")?;
        let address = victim.url().trim_start_matches("http://").to_owned();
        victim.pause()?;
        self.load.continues_for(FREEZE).await?;
        let before = now_s();
        victim.kill()?;
        let death = before..now_s();
        victim.restart().await?;
        gets_orders(victim).await?;
        Ok((address, death))
    }

    /// They stop when nginx does not ask them any more.
    async fn shrink_to_two(&mut self) -> Result<()> {
        self.begin_phase("4 -> 2 instances");
        let leavers = self.instances.split_off(2);
        self.nginx.reload(&self.instances).await?;
        for mut instance in leavers {
            instance.stop(STOP_LIMIT).await?;
        }
        Ok(())
    }
}

impl Repeat {
    /// Whether the death of an instance explains these failures. A death that hit no request proves nothing.
    fn explains(self, failures: Failures) -> bool {
        match self {
            Self::Unsent => failures.in_flight > 0 && failures.other == 0,
            Self::All => failures.repeated > 0 && failures.failed() == 0,
        }
    }
}

/// Waits until an instance has taken more orders than by now.
async fn gets_orders(instance: &Process) -> Result<()> {
    const ORDERS: &str = "ingest_api_orders_total";
    let before = instance.metric(ORDERS).await?;
    wait_until("nginx sends it orders", ORDERS_LIMIT, async || {
        let now = instance.metric(ORDERS).await?;
        ensure!(now > before, "{now}");
        Ok(())
    })
    .await
}

fn now_s() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn phase(history: &History, what: String, window: Range<u64>) -> Phase {
    let tries = history.tries.iter();
    let failed = tries.filter(|it| window.contains(&it.done_us));
    let failed = count_failures(failed.filter_map(|it| it.failure));
    // A load that is behind has no orders that were due in the last parts.
    let end = window.end.min(history.last_due_us() + 1).max(window.start);
    let window = window.start..end;
    let answered = history.answered().filter(|it| window.contains(&it.due_us));
    Phase {
        what,
        orders: history.due_within(&window),
        failed,
        latency: percentiles(answered, [0.5, 0.99]),
        gap: history.longest_gap(window),
    }
}

impl Outcome {
    /// Whether only requests at the killed instance failed, or none where nginx repeats them, though
    /// some were under way there; no buyer waited in vain; and every order got its answer and its row
    /// all the same.
    pub fn is_right(&self) -> bool {
        self.run.repeat.explains(self.failures)
            && self.timeouts() == 0
            && self.report.conclude().is_ok()
    }

    /// A connection that nginx closes at a reload breaks; that is no timeout.
    fn timeouts(&self) -> u64 {
        let phases = self.phases.iter();
        phases
            .filter_map(|it| it.failed.get(&Failure::TimedOut))
            .sum()
    }

    pub fn table(&self) -> String {
        let row = |it: &Phase| {
            let failed = it.failed.iter();
            let failed: Vec<_> = failed
                .map(|(how, count)| format!("{count} {how}"))
                .collect();
            let [p50, p99] = it.latency.map(|it| it.as_secs_f64() * 1_000.0);
            let latency = format!("{p50:.1} / {p99:.1}");
            let orders = thousands(it.orders as u64);
            [
                it.what.clone(),
                orders,
                failed.join(", "),
                latency,
                ms(it.gap),
            ]
        };
        let (failed, gap) = ("tries that failed", "longest without a 202, ms");
        let header = ["", "orders", failed, "latency p50 / p99, ms", gap];
        let table = markdown(header, &self.phases.iter().map(row).collect::<Vec<_>>());
        format!(
            "nginx with `{}`:\n\n{table}\n\n{}\n{}\n",
            self.run.repeat.directive(),
            self.failures,
            summary(&self.report)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Answer;
    use crate::load::history::tests::history;

    #[test]
    fn a_death_that_hit_no_request_proves_nothing() {
        let failures = |[in_flight, too_late, repeated, other]: [usize; 4]| Failures {
            in_flight,
            too_late,
            repeated,
            other,
        };
        let cases = [
            [0; 4],
            [2, 0, 0, 0],
            [0, 1, 0, 0],
            [0, 0, 2, 0],
            [1, 0, 1, 1],
        ];
        let explained = |repeat: Repeat| cases.map(|it| repeat.explains(failures(it)));
        assert_eq!(explained(Repeat::Unsent).map(u8::from), [0, 1, 0, 0, 0]);
        assert_eq!(explained(Repeat::All).map(u8::from), [0, 0, 0, 1, 0]);
    }

    #[test]
    fn every_order_and_every_failed_try_is_in_a_phase() {
        // The try of the last order failed long after it was due.
        let tries: Vec<_> = (0..10).map(|n| (n, 5_000_000, Answer::Undecided)).collect();
        let history = history(&tries);
        let phases = [0..4_000, 4_000..u64::MAX].map(|it| phase(&history, String::new(), it));
        assert_eq!(phases.each_ref().map(|it| it.orders), [4, 6]);
        assert!(phases[0].failed.is_empty());
        assert_eq!(phases[1].failed[&Failure::TimedOut], 10);
    }
}
