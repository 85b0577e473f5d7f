//! Copies of the API come and go behind nginx while orders come in; one is killed and started again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use super::access::Failures;
use super::load::Load;
use super::market::open_on_each_partition;
use super::nginx::{Nginx, Repeat};
use super::{PARTITIONS, UNITS_ENOUGH};
use crate::deployment::Deployment;
use crate::process::Process;
use crate::rehearsal::attempt::Failure;
use crate::rehearsal::check::check;
use crate::rehearsal::heard::{Heard, micros, percentiles};
use crate::rehearsal::report::Report;
use crate::sandbox::Sandbox;
use crate::until::until;

const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// Longest until a copy gets orders: nginx leaves one that failed out for five seconds.
const TURN_LIMIT: Duration = Duration::from_secs(60);
/// Longest a copy may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a copy is frozen before it is killed. Orders go on, so that some are under way there when it dies, however
/// fast it is.
const FREEZE: Duration = Duration::from_millis(100);
const WORKERS: usize = 2;

/// What is done.
#[derive(Debug, Clone)]
pub struct Run {
    /// What nginx repeats when it failed.
    pub repeat: Repeat,
    /// Orders a second.
    pub per_second: u32,
    /// How long each number of copies is kept.
    pub hold: Duration,
}

/// A part of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// What was done in it.
    pub what: String,
    /// Orders that were due.
    pub orders: usize,
    /// Tries that failed in it, by how.
    pub failed: BTreeMap<Failure, u64>,
    /// From when they were due until they were answered: p50, p99.
    pub latency: [Duration; 2],
    /// The longest time without a 202.
    pub silence: Duration,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub run: Run,
    /// Part by part.
    pub phases: Vec<Phase>,
    /// What nginx says of requests that failed.
    pub failures: Failures,
    /// Everything that the buyers were told, held against the stores.
    pub report: Report,
}

impl Outcome {
    /// Whether only requests at the killed copy failed, or none where nginx repeats them, though some were under way
    /// there; no buyer waited in vain; and every order got its answer and its row all the same.
    pub fn is_right(&self) -> bool {
        self.run.repeat.explains(self.failures)
            && self.timeouts() == 0
            && self.report.conclude().is_ok()
    }

    /// Tries without any answer in time. A connection that nginx closes at a reload is another matter: it breaks.
    pub fn timeouts(&self) -> u64 {
        let phases = self.phases.iter();
        phases
            .filter_map(|it| it.failed.get(&Failure::TimedOut))
            .sum()
    }
}

/// What runs, and what was done when.
struct Scene<'a> {
    sandbox: &'a Sandbox,
    run: &'a Run,
    nginx: Nginx,
    copies: Vec<Process>,
    load: Load,
    phases: Vec<(String, Range<u64>)>,
}

/// Copies 1, 4; one killed, started again; 2.
///
/// # Errors
/// When a service does not do as it should. What is wrong with single orders stands in the report.
pub async fn run(sandbox: &Sandbox, run: Run) -> Result<Outcome> {
    let workers = (0..WORKERS).map(|_| sandbox.worker());
    let _workers = try_join_all(workers).await?;
    let copies = vec![sandbox.api().await?];
    let nginx = Nginx::before(&[&copies[0]], run.repeat, sandbox.folder()).await?;
    let deployment = Deployment {
        urls: vec![nginx.url().to_owned()],
        ..sandbox.deployment(&[])
    };
    let admin = deployment.admin()?;
    let sales = open_on_each_partition(&admin, PARTITIONS, UNITS_ENOUGH).await?;
    let mut scene = Scene {
        sandbox,
        run: &run,
        nginx,
        copies,
        load: Load::start(&deployment, &sales, run.per_second)?,
        phases: Vec::new(),
    };
    scene.hold("1 copy").await?;
    scene.add_until_four().await?;
    scene.hold("4 copies").await?;
    let (address, death) = scene.kill_one_and_start_it_again().await?;
    scene.hold("4 copies").await?;
    scene.take_two_away().await?;
    scene.hold("2 copies").await?;

    let Scene {
        nginx,
        load,
        phases,
        copies: _copies,
        ..
    } = scene;
    let heard = load.end().await?;
    let findings = check(&heard, &sandbox.stores, &sales, WRITE_LIMIT).await?;
    let phase = |(what, window)| phase(&heard, what, window);
    Ok(Outcome {
        phases: phases.into_iter().map(phase).collect(),
        failures: Failures::of(&nginx.answered()?, &address, death),
        report: Report::of(&heard, findings),
        run,
    })
}

impl Scene<'_> {
    /// Notes what is done from now on.
    fn begins(&mut self, what: &str) {
        let now = micros(self.load.start_of().elapsed());
        if let Some((_, last)) = self.phases.last_mut() {
            last.end = now;
        }
        self.phases.push((what.to_owned(), now..u64::MAX));
    }

    async fn hold(&mut self, what: &str) -> Result<()> {
        self.begins(what);
        self.load.goes_on_for(self.run.hold).await
    }

    async fn add_until_four(&mut self) -> Result<()> {
        self.begins("1 -> 4 copies");
        let more = try_join_all((0..3).map(|_| self.sandbox.api())).await?;
        self.copies.extend(more);
        self.nginx.serve(&all(&self.copies)).await?;
        for copy in &self.copies {
            gets_orders(copy).await?;
        }
        Ok(())
    }

    /// Where it listens, and when it died.
    async fn kill_one_and_start_it_again(&mut self) -> Result<(String, Range<f64>)> {
        self.begins("kill -9 one, start it again");
        let victim = self.copies.first_mut().context("there are copies")?;
        let address = victim.url().trim_start_matches("http://").to_owned();
        victim.pause()?;
        self.load.goes_on_for(FREEZE).await?;
        let before = now_s();
        victim.kill()?;
        let death = before..now_s();
        victim.restart().await?;
        gets_orders(victim).await?;
        Ok((address, death))
    }

    /// First nginx does not ask them any more, then they stop.
    async fn take_two_away(&mut self) -> Result<()> {
        self.begins("4 -> 2 copies");
        let leavers = self.copies.split_off(2);
        self.nginx.serve(&all(&self.copies)).await?;
        let ends = leavers.into_iter().map(async |mut copy| {
            let status = copy.terminate(STOP_LIMIT).await?;
            ensure!(status.success(), "a copy ended with {status}");
            Ok(())
        });
        try_join_all(ends.collect::<Vec<_>>()).await?;
        Ok(())
    }
}

impl Repeat {
    /// Whether the death of a copy comes to these failures. One that caught no request shows nothing.
    fn explains(self, failures: Failures) -> bool {
        match self {
            Self::Unsent => failures.in_flight > 0 && failures.all() == failures.at_the_killed(),
            Self::All => failures.repeated > 0 && failures.all() == 0,
        }
    }
}

fn all(copies: &[Process]) -> Vec<&Process> {
    copies.iter().collect()
}

/// Waits until a copy has taken more orders than by now.
async fn gets_orders(copy: &Process) -> Result<()> {
    const ORDERS: &str = "ingest_api_orders_total";
    let before = copy.metric(ORDERS).await?;
    until("nginx sends it orders", TURN_LIMIT, async || {
        let now = copy.metric(ORDERS).await?;
        ensure!(now > before, "{now}");
        Ok(())
    })
    .await
}

fn now_s() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn phase(heard: &Heard, what: String, window: Range<u64>) -> Phase {
    let mut failed = BTreeMap::new();
    let tries = heard.failed.iter();
    for it in tries.filter(|it| window.contains(&it.done_us)) {
        *failed.entry(it.failure).or_default() += 1;
    }
    let end = micros(heard.schedule.due_after(heard.sent.into()));
    // A load that is behind has no orders that were due in the last parts.
    let window = window.start..window.end.min(end).max(window.start);
    let told = heard.told_due_within(window.clone());
    let latencies = told.map(|it| heard.latency_us(it)).collect();
    Phase {
        what,
        orders: heard.due_within(window.clone()),
        failed,
        latency: percentiles(latencies, [0.5, 0.99]),
        silence: heard.longest_silence_within(window),
    }
}

#[cfg(test)]
mod tests;
