//! One run: clients, fault, recovery, and the verdict.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, sleep_until};

use super::clients;
use super::environment::{CLOSING_SALE, ENDLESS_SALE, Environment};
use super::recovery::{is_normal, not_final, repeat_until_none};
use super::results::{Ending, Finished};
use super::rows::Row;
use crate::checker::{Expectations, History, Loss, Violation, judge, violations};
use crate::client::ADMIN_TOKEN;
use crate::exchange::{Exchange, Request, undecided};
use crate::load::Player;
use crate::load::caller::Caller;
use crate::load::player::Running;
use crate::load::recorder::Recorder;
use crate::order::Action;
use crate::stack::Stack;

/// From the first order to the fault.
const BEFORE: Duration = Duration::from_millis(2_500);
/// From the fault's end to the last order, at least.
const AFTER: Duration = Duration::from_secs(3);
/// Longest wait for anything. It bounds a run and is no requirement: the table shows how long things took.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest until an instance has noticed that Redis lost data: its next order shows it.
const NOTICE: Duration = Duration::from_secs(1);

/// Runs a row; how it ends is in `finished`. The history stays at `history`, and the services' logs in a folder beside
/// it, unless all was right.
///
/// # Errors
/// When something of the runner itself does not work, or the row cannot be run here.
pub async fn run(row: &Row, stack: Stack, history: &Path, finished: &mut Finished) -> Result<()> {
    let recorder = Recorder::to(history)?;
    let mut env = Environment::start(stack, row.setup, finished.seed, recorder.clone()).await?;
    let outcome = perform(row, &mut env, &recorder, finished).await;
    recorder.flush();
    drop(std::mem::take(&mut env.apis));
    drop(std::mem::take(&mut env.workers));
    if finished.is_right() {
        std::fs::remove_file(history).context("removing a history")?;
        env.sandbox.discard().await?;
    } else {
        env.sandbox.keep_logs(&history.with_extension("logs"))?;
    }
    outcome
}

async fn perform(
    row: &Row,
    env: &mut Environment,
    recorder: &Recorder,
    finished: &mut Finished,
) -> Result<()> {
    let mut urls = Vec::new();
    for api in &env.apis {
        urls.push(env.network.api_url(api.url()).await?);
    }
    let player = clients::player(urls);
    let caller = player.caller(ADMIN_TOKEN, &env.sales, recorder.clone())?;
    let clients = disturb(row, finished.seed, env, &player, &caller).await?;
    let over = Instant::now();
    let stops = row.may_lose && {
        sleep(NOTICE).await;
        env.reported_losses().await? > 0.0
    };
    let is_normal =
        !stops && is_normal(&caller, ENDLESS_SALE, row.setup.expected_status(), LIMIT).await;
    finished.normal_s = is_normal.then(|| over.elapsed().as_secs_f64());
    let seconds = LIMIT.as_secs();
    let late = !is_normal && !stops;
    let mut found = Vec::from_iter(late.then_some(Violation::NotRecovered { seconds }));
    sleep_until(over + AFTER).await;
    let (sale, action) = (CLOSING_SALE, Action::Close);
    caller.ask(0, Request { sale, action }).await;
    clients::stop(clients).await?;

    let last_answer = Instant::now();
    let limit = if stops { NOTICE } else { LIMIT };
    let requests = repeat_until_none(&caller, limit, undecided).await;
    found.extend((requests > 0).then_some(Violation::Undecided { requests }));
    let written = env.sandbox.stores.written(&env.sales, LIMIT).await;
    let unwritten = written.err().map(|error| format!("{error:#}"));
    found.extend(unwritten.map(|why| Violation::NotDrained { why }));
    finished.drain_s = last_answer.elapsed().as_secs_f64();
    repeat_until_none(&caller, limit, not_final).await;
    if !stops {
        let (code, output) = env.sandbox.reconcile(&["audit"]).await?;
        found.extend((code != 0).then_some(Violation::Audit { output }));
    }
    let exchanges = recorder.take();
    count(&exchanges, finished);
    finished.rows = check(row, env, &exchanges, player.expectations, &mut found).await?;
    let loss = Loss {
        possible: row.may_lose || row.rebuilds,
        // The operator who rebuilds knows of the loss, even if no order came between to be refused.
        reported: row.rebuilds || env.reported_losses().await? > 0.0,
        rebuilt: row.rebuilds,
    };
    let broken = judge(found, loss);
    finished.notes = broken.iter().map(ToString::to_string).collect();
    finished.ending = match (broken.is_empty(), loss.reported) {
        (true, false) => Ending::Right,
        (true, true) => Ending::Reported,
        (false, _) => Ending::Wrong,
    };
    Ok(())
}

/// Starts the clients and injects the fault; where nothing is ready before the fault, in the other order.
async fn disturb(
    row: &Row,
    seed: u64,
    env: &mut Environment,
    player: &Player,
    caller: &Caller,
) -> Result<Vec<Running>> {
    let start = async |env: &Environment| {
        env.open_sales().await?;
        anyhow::Ok(clients::start(player, caller, row.rates, seed))
    };
    let mut clients = None;
    if !row.setup.starts_unready {
        clients = Some(start(env).await?);
        sleep(BEFORE).await;
    }
    env.mark("fault begins");
    let injected = (row.inject)(env).await;
    injected.context("injecting the fault")?;
    env.mark("fault over");
    match clients {
        Some(clients) => Ok(clients),
        None => start(env).await,
    }
}

/// Adds everything that the answers and the stores prove; returns the number of rows.
async fn check(
    row: &Row,
    env: &mut Environment,
    exchanges: &[Exchange],
    expectations: Expectations,
    found: &mut Vec<Violation>,
) -> Result<usize> {
    let ended = env.ended_services().into_iter();
    found.extend(ended.map(|service| Violation::ServiceEnded { service }));
    // Where the fault halts partitions, the row has accepted their logs.
    let partitions = env.halted_partitions().await?;
    found.extend((!partitions.is_empty()).then_some(Violation::Halted { partitions }));
    let mut rows = 0;
    for (number, sale) in (0..).zip(&env.sales) {
        let mut contents = env.sandbox.stores.contents(sale).await?;
        // The workers commit offsets to Kafka later.
        contents.lag.uncommitted = 0;
        rows += contents.rows.len();
        let history = History {
            sale,
            number,
            exchanges,
            expectations,
        };
        let proven = violations(history, &contents);
        found.extend(proven.into_iter().filter(|it| !(row.excuses)(it)));
    }
    Ok(rows)
}

fn count(exchanges: &[Exchange], finished: &mut Finished) {
    let orders = exchanges.iter().filter(|it| it.request.action.is_order());
    let placed = orders.clone().filter_map(|it| it.response.order());
    finished.orders = orders.count();
    finished.accepted = placed.map(|it| it.id).collect::<HashSet<_>>().len();
}
