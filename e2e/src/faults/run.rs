//! One run: a row, a seed, and the verdict.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, sleep_until};

use super::caller::Caller;
use super::checker::{Loss, Verdict, Violation, judge, violations};
use super::drivers::Drivers;
use super::end::End;
use super::history::{Ask, Asked, Recorder};
use super::market::Market;
use super::rows::{Redis, Row};
use super::settle::{follow, normal_again, settle};
use super::stage::Stage;
use crate::fleet::Fleet;
use crate::sandbox::Sandbox;
use crate::stack::Stack;

/// From the first order to the fault.
const BEFORE: Duration = Duration::from_millis(2_500);
/// From the fault's end to the last order, at least.
const AFTER: Duration = Duration::from_secs(3);
/// What does not come about in this time never will: limits of the runner's patience, not of the
/// services. How long things took is for the reader of the table to judge.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long copies may take to notice that Redis has lost something: their next orders show it.
const NOTICE: Duration = Duration::from_secs(1);

/// What came out of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Requests for orders, retries too.
    pub orders: usize,
    /// Orders that were answered 202, each once.
    pub accepted: usize,
    /// Rows in `orders`.
    pub rows: usize,
    /// From the last answer to everything written.
    pub drain: Duration,
    /// From the fault's end to service as usual; none where it stopped for good, as it should.
    pub normal: Option<Duration>,
    /// Whether all was right.
    pub verdict: Verdict,
}

/// Runs a row. The history stays at `history` unless all was right; so do the services' logs, in a
/// folder beside it.
///
/// # Errors
/// When something of the runner itself does not work, or the row cannot be run here.
pub async fn run(row: &Row, seed: u64, stack: Stack, history: &Path) -> Result<Report> {
    let recorder = Recorder::to(history)?;
    let fleet = match row.setup.redis {
        Redis::Single => None,
        Redis::Sentinels => Some(Fleet::with_sentinels(&stack, None).await?),
        Redis::Cluster => Some(Fleet::cluster(&stack, None).await?),
    };
    let own_redis = fleet.as_ref().map(|fleet| fleet.url.as_str());
    let sandbox = Sandbox::on(stack, own_redis).await?;
    let mut stage = Stage::set(sandbox, fleet, &row.setup, seed, recorder.clone()).await?;
    let outcome = perform(row, seed, &mut stage, &recorder).await;
    recorder.lines(); // they are all in the file then
    let restored = stage.restore().await;
    let right = matches!(&outcome, Ok(report) if !matches!(report.verdict, Verdict::Wrong(_)));
    if right {
        std::fs::remove_file(history).context("removing a history")?;
    } else {
        stage.keep_logs(&history.with_extension("logs"))?;
    }
    drop(std::mem::take(&mut stage.apis));
    drop(std::mem::take(&mut stage.workers));
    let discarded = stage.sandbox.discard().await;
    let report = outcome?;
    restored.and(discarded)?;
    Ok(report)
}

async fn perform(row: &Row, seed: u64, stage: &mut Stage, recorder: &Recorder) -> Result<Report> {
    let market = Market::new()?;
    stage.products = market
        .sales
        .iter()
        .map(|sale| sale.product.clone())
        .collect();
    let mut copies = Vec::new();
    for api in &stage.apis {
        copies.push(stage.links.to_api(api.url()).await?);
    }
    let caller = Caller::new(copies, recorder.clone())?;
    let direct = stage.apis[0].url().to_owned();
    let drive = async || {
        market.open(&direct).await?;
        Ok::<_, anyhow::Error>(Drivers::start(&caller, &market, row.setup.rates, seed))
    };
    let mut drivers = None;
    if row.setup.starts_ready {
        drivers = Some(drive().await?);
        sleep(BEFORE).await;
    }
    recorder.mark("fault begins");
    (row.fault)(stage).await.context("the fault itself")?;
    recorder.mark("fault over");
    let over = Instant::now();
    let drivers = match drivers {
        Some(drivers) => drivers,
        None => drive().await?,
    };

    let mut found = Vec::new();
    let reported = row.may_lose && {
        sleep(NOTICE).await;
        stage.reported_losses().await? > 0.0
    };
    let stops = reported && !row.repairs;
    let normal = if stops || normal_again(&caller, market.evergreen(), PATIENCE).await {
        (!stops).then(|| over.elapsed())
    } else {
        let seconds = PATIENCE.as_secs();
        found.push(Violation::NotNormal { seconds });
        None
    };
    sleep_until(over + AFTER).await;
    let product = market.closing().product.to_string();
    caller.ask(0, Ask::Close { product }).await;
    drivers.stop().await?;

    let calm = Instant::now();
    recorder.mark("settling");
    let limit = if stops { NOTICE } else { PATIENCE };
    let questions = settle(&caller, recorder, limit).await;
    if questions > 0 {
        found.push(Violation::Undecided { questions });
    }
    if let Err(error) = stage.sandbox.stores.written(&market.sales, PATIENCE).await {
        let behind = stage.sandbox.stores.unwritten().await?;
        let why = format!("{error:#}; unwritten by partition: {behind:?}");
        found.push(Violation::NotDrained { why });
    }
    let drain = calm.elapsed();
    follow(&caller, recorder, limit).await;
    recorder.mark("checking");

    if !stops {
        let audit = stage.sandbox.reconcile(&["audit"]).await?;
        if audit.code != 0 {
            let said = audit.text;
            found.push(Violation::Audit { said });
        }
    }
    let end = End::of(&stage.sandbox, &market).await?;
    let asked = recorder.asked();
    let dead = stage.dead().into_iter();
    found.extend(dead.map(|service| Violation::Died { service }));
    let broken = violations(&asked, &end).into_iter();
    found.extend(broken.filter(|violation| !(row.excuses)(violation)));
    let loss = Loss {
        possible: row.may_lose,
        // Whoever rebuilds knows of the loss, even if no order came between to be refused.
        reported: row.repairs || stage.reported_losses().await? > 0.0,
    };
    Ok(Report {
        orders: count_orders(&asked),
        accepted: count_accepted(&asked),
        rows: end.rows(),
        drain,
        normal,
        verdict: judge(found, loss),
    })
}

fn count_orders(asked: &[Asked]) -> usize {
    let orders = asked.iter();
    orders
        .filter(|it| matches!(it.ask, Ask::Order { .. }))
        .count()
}

fn count_accepted(asked: &[Asked]) -> usize {
    let orders = asked.iter();
    let ids: std::collections::HashSet<_> = orders
        .filter(|it| matches!(it.ask, Ask::Order { .. }))
        .filter_map(|it| it.reply.order_id())
        .collect();
    ids.len()
}
