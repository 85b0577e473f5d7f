//! Instances of the API come and go behind nginx while orders come in; one is killed and started again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;

use super::nginx::{Configuration, Nginx, Repeat};
use super::{Outcome, Plan, STOP_LIMIT, ms, summary, under_load};
use crate::answer::Failure;
use crate::load::history::{History, percentiles};
use crate::load::player::Running;
use crate::load::recorder::micros;
use crate::load::report::count_failures;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};
use crate::wait::wait_until;

/// Longest until an instance gets orders: nginx leaves one that failed out for five seconds.
const ORDERS_LIMIT: Duration = Duration::from_secs(60);
/// How long an instance is frozen before it is killed, so that requests are under way there.
const FREEZE: Duration = Duration::from_millis(100);
const WORKERS: usize = 2;

/// A part of the run.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing changes.
    Hold,
    /// Instances join or leave until there are so many.
    Resize(usize),
    KillOne,
}

const PHASES: [(&str, Phase); 7] = [
    ("1 instance", Phase::Hold),
    ("1 -> 4 instances", Phase::Resize(4)),
    ("4 instances", Phase::Hold),
    ("kill -9 one, start it again", Phase::KillOne),
    ("4 instances", Phase::Hold),
    ("4 -> 2 instances", Phase::Resize(2)),
    ("2 instances", Phase::Hold),
];

/// What was begun when, in microseconds since the load began.
type Begun = Vec<(&'static str, u64)>;

/// Instances come, go and die behind nginx.
///
/// # Errors
/// When a service fails, or requests failed that the kill does not explain. What is wrong with single orders is in
/// the report.
pub async fn run(sandbox: &Sandbox, plan: &Plan, repeat: Repeat) -> Result<Outcome> {
    let _workers = try_join_all((0..WORKERS).map(|_| sandbox.worker())).await?;
    let mut instances = vec![sandbox.api().await?];
    let victim = instances[0].url().to_owned();
    let configuration = Configuration::Own(repeat);
    let mut nginx = Nginx::start(&instances, configuration, sandbox.folder()).await?;
    let mut deployment = sandbox.deployment(&[]);
    deployment.urls = vec![nginx.url().to_owned()];
    let mut begun = Begun::new();
    let report = under_load(&deployment, plan.instances_rate, async |load| {
        for (what, phase) in PHASES {
            begun.push((what, micros(load.begin().elapsed())));
            match phase {
                Phase::Hold => load.continues_for(plan.hold()).await?,
                Phase::Resize(to) => resize(sandbox, &mut nginx, &mut instances, to).await?,
                Phase::KillOne => kill_and_start_again(&mut instances[0], load).await?,
            }
        }
        Ok(())
    })
    .await?;
    let (interrupted, history) = (nginx.interrupted()?, &report.history);
    let table = format!(
        "nginx with `{}`:\n\n{}\n\nRequests that nginx lost, by its log: {interrupted:?}. {victim} was killed.\n{}\n",
        repeat.directive(),
        table(history, &begun),
        summary(&report)
    );
    let failed = count_failures(history.orders().filter_map(|it| it.response.failure()));
    let explained = repeat.explains(failed, &victim, &interrupted);
    ensure!(explained, "the kill does not explain what failed:\n{table}");
    Ok(Outcome { table, report })
}

impl Repeat {
    /// Whether requests were under way at the killed instance and at no other, and they alone have failed, or none
    /// where nginx repeats them. Connections that nginx closes at a reload are reset, and that is right.
    fn explains(
        self,
        mut failed: BTreeMap<Failure, u64>,
        victim: &str,
        interrupted: &BTreeMap<String, u64>,
    ) -> bool {
        let mut expected = BTreeMap::new();
        if self == Self::Unsent {
            let counts = interrupted.values();
            expected.extend(counts.map(|count| (Failure::Status(502), *count)));
        }
        failed.remove(&Failure::Reset);
        failed == expected && interrupted.keys().eq([victim])
    }
}

/// Starts or stops instances. Nginx asks those that leave no more when they stop, and all others when this returns.
async fn resize(
    sandbox: &Sandbox,
    nginx: &mut Nginx,
    instances: &mut Vec<Process>,
    to: usize,
) -> Result<()> {
    let leavers = instances.split_off(to.min(instances.len()));
    let new = (instances.len()..to).map(|_| sandbox.api());
    instances.extend(try_join_all(new).await?);
    nginx.reload(instances).await?;
    for mut leaver in leavers {
        leaver.stop(STOP_LIMIT).await?;
    }
    try_join_all(instances.iter().map(gets_orders)).await?;
    Ok(())
}

async fn kill_and_start_again(victim: &mut Process, load: &Running) -> Result<()> {
    victim.pause()?;
    load.continues_for(FREEZE).await?;
    victim.kill()?;
    victim.restart().await?;
    gets_orders(victim).await
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

/// A line for each part of the run, which ends when the next begins.
fn table(history: &History, begun: &Begun) -> String {
    let ends = begun.iter().skip(1).map(|(_, begin)| *begin);
    let windows = begun.iter().zip(ends.chain([u64::MAX]));
    let rows = windows.map(|(&(what, begin), end)| row(history, what, begin..end));
    let (failed, gap) = ("tries that failed", "longest without a 202, ms");
    let header = ["", "orders", failed, "latency p50 / p99, ms", gap];
    markdown(header, &rows.collect::<Vec<_>>())
}

fn row(history: &History, what: &str, window: Range<u64>) -> [String; 5] {
    let failed = history.orders().filter(|it| window.contains(&it.done_us));
    let failed = count_failures(failed.filter_map(|it| it.response.failure()));
    let failed = failed.iter().map(|(how, count)| format!("{count} {how}"));
    // A load that is behind has no orders that were due in the last parts.
    let end = window.end.min(history.last_due_us() + 1).max(window.start);
    let window = window.start..end;
    let answered = history.answered().filter(|it| window.contains(&it.due_us));
    let latency = percentiles(answered, [0.5, 0.99]);
    let [p50, p99] = latency.map(|it| it.as_secs_f64() * 1_000.0);
    [
        what.to_owned(),
        thousands(history.due_within(&window) as u64),
        failed.collect::<Vec<_>>().join(", "),
        format!("{p50:.1} / {p99:.1}"),
        ms(history.longest_gap(window)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Response;
    use crate::load::history::tests::history;

    #[test]
    fn only_requests_at_the_killed_instance_may_fail() {
        const NEVER: [bool; 2] = [false, false];
        let (lost, reset) = ((Failure::Status(502), 2), (Failure::Reset, 3));
        let (other, late) = ((Failure::Status(503), 1), (Failure::TimedOut, 1));
        // What has failed, what nginx has lost, and whether that is right without and with repeating.
        for (failed, interrupted, right) in [
            (&[lost, reset][..], &[("a", 2)][..], [true, false]),
            (&[reset], &[("a", 2)], [false, true]),
            (&[lost, reset], &[("a", 1)], NEVER),
            (&[lost, reset], &[("b", 2)], NEVER),
            (&[lost, reset], &[("a", 2), ("b", 1)], NEVER),
            (&[reset], &[], NEVER),
            (&[lost, late], &[("a", 2)], NEVER),
            (&[other], &[("a", 1)], NEVER),
        ] {
            let counts = interrupted.iter();
            let counts = counts
                .map(|&(url, count)| (url.to_owned(), count))
                .collect();
            let explained = [Repeat::Unsent, Repeat::All].map(|repeat| {
                let failed = failed.iter().copied().collect();
                repeat.explains(failed, "a", &counts)
            });
            assert_eq!(explained, right, "{failed:?} {interrupted:?}");
        }
    }

    #[test]
    fn every_order_and_every_failed_try_is_in_a_line() {
        // The try of the last order failed long after it was due.
        let tries = (0..10).map(|n| (n, 5_000_000, Response::NoAnswer(Failure::TimedOut)));
        let tries: Vec<_> = tries.collect();
        let history = history(&tries);
        let lines = [0..4_000, 4_000..u64::MAX].map(|it| row(&history, "", it));
        assert_eq!(lines[0][1..3], ["4", ""]);
        assert_eq!(lines[1][1..3], ["6", "10 timeout"]);
    }
}
