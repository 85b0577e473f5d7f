use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::answer::{Outcome, Status};
use e2e::crowd::{Crowd, Rush};
use e2e::history::History;
use e2e::order::{Sale, once};
use e2e::outage::{Kind, Outage};
use e2e::sandbox::Sandbox;
use e2e::stack::Store;
use e2e::until::until;
use tokio::time::Instant;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const OUTAGE: Duration = Duration::from_secs(20);
const ORDERS_PER_SECOND: u32 = 200;
const PUBLISH_WAIT: Duration = Duration::from_millis(500);

/// How long the API may take to understand that Kafka is gone: three waits in a row, and what was
/// sent meanwhile.
const UNDERSTANDING: Duration = Duration::from_secs(3);

#[test]
fn orders_are_reserved_while_kafka_is_stopped_and_arrive_afterwards() {
    in_a_sandbox(async |sandbox| {
        go_on_without(sandbox, Store::Kafka, Kind::Stopped, Status::Reserved).await
    });
}

#[test]
fn orders_are_reserved_while_kafka_is_paused_and_arrive_afterwards() {
    in_a_sandbox(async |sandbox| {
        go_on_without(sandbox, Store::Kafka, Kind::Paused, Status::Reserved).await
    });
}

#[test]
fn orders_are_accepted_while_postgresql_is_stopped_and_arrive_afterwards() {
    in_a_sandbox(async |sandbox| {
        go_on_without(sandbox, Store::Postgres, Kind::Stopped, Status::Accepted).await
    });
}

/// Orders come in at a constant rate before, during and after; all of them are taken, and `status`
/// is what buyers are told meanwhile. No service is started again.
async fn go_on_without(sandbox: &Sandbox, store: Store, kind: Kind, status: Status) -> Result<()> {
    let api = sandbox.api().await?;
    let _workers = (sandbox.worker().await?, sandbox.worker().await?);
    let sale = Sale::unique("outage", 100_000)?;
    api.client()?.open(&sale).await?;

    let crowd = Crowd::over(64, &[&api]).at(ORDERS_PER_SECOND);
    let buying = sale.clone();
    let rush = crowd.send(once((0..).map(move |buyer| buying.order_of(buyer))))?;
    rush.answered(2 * usize::try_from(ORDERS_PER_SECOND)?)
        .await?;

    let outage = Outage::begin(&sandbox.stack, store, kind).await?;
    let begin = outage.since;
    outage.lasts(OUTAGE).await;
    let end = Instant::now();
    outage.end().await?;
    accepted_again(&rush).await?;
    rush.stop();
    let history = rush.finish().await?;

    let outage = history.sent_between(begin, end);
    let (answers, median, p99) = (
        outage.answers().len(),
        outage.latency(50),
        outage.latency(99),
    );
    println!("{store} {kind:?}: {answers} answers, median {median:?}, p99 {p99:?}");
    expect_all_taken(&history)?;
    expect_fast(&outage)?;
    // One order a second waits for Kafka all the same; the last of them may see it come back.
    let deep = history.sent_between(begin + UNDERSTANDING, end - 2 * PUBLISH_WAIT);
    expect_status(&deep, status)?;
    sandbox
        .stores
        .expect_right(&[sale], &history, WRITE_LIMIT)
        .await
}

async fn accepted_again(rush: &Rush) -> Result<()> {
    until("orders are accepted again", WRITE_LIMIT, async || {
        let last = rush.last();
        ensure!(
            has_status(&last, Status::Accepted),
            "the last answer was {last:?}"
        );
        Ok(())
    })
    .await
}

fn has_status(outcome: &Outcome, expected: Status) -> bool {
    matches!(outcome, Outcome::Accepted { status, .. } if *status == expected)
}

fn expect_all_taken(history: &History) -> Result<()> {
    let other = history
        .answers()
        .iter()
        .find(|it| it.outcome.order_id().is_none());
    ensure!(other.is_none(), "an order was not taken: {other:?}");
    Ok(())
}

/// No tight limit, on a machine that others use: the buyers' rate was kept, and half of them did
/// not even wait as long as the API waits for Kafka.
fn expect_fast(outage: &History) -> Result<()> {
    let wanted = u64::from(ORDERS_PER_SECOND) * OUTAGE.as_secs() * 8 / 10;
    let answers = outage.answers().len() as u64;
    ensure!(
        answers >= wanted,
        "{answers} answers during the outage, should be {wanted}"
    );
    let median = outage.latency(50);
    ensure!(
        median < PUBLISH_WAIT,
        "the median of the outage was {median:?}"
    );
    Ok(())
}

fn expect_status(outage: &History, status: Status) -> Result<()> {
    let other = outage
        .answers()
        .iter()
        .find(|it| !has_status(&it.outcome, status));
    ensure!(
        other.is_none(),
        "not {status:?} during the outage: {other:?}"
    );
    Ok(())
}
