use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::answer::Status;
use e2e::exchange::Exchange;
use e2e::fleet::Fleet;
use e2e::load::history::percentiles;
use e2e::load::once;
use e2e::process::Process;
use e2e::stack::Store;
use e2e::stores::Redis;
use e2e::wait::wait_until;
use tokio::time::sleep;

use crate::fixture::{
    WRITE_LIMIT, crowd, expect_right, expect_right_audit, in_a_sandbox, open_sales, reconcile,
};

const OUTAGE: Duration = Duration::from_secs(20);
const ORDERS_PER_SECOND: u32 = 200;
const PUBLISH_WAIT: Duration = Duration::from_millis(500);

/// How long the API may take to notice that Kafka is unavailable: three waits in a row, and what was
/// sent meanwhile.
const NOTICE_LIMIT: Duration = Duration::from_secs(3);

#[test]
fn orders_are_reserved_while_kafka_is_stopped_and_arrive_afterwards() {
    orders_during_an_outage(Store::Kafka, Outage::Stopped, Status::Reserved);
}

#[test]
fn orders_are_reserved_while_kafka_is_frozen_and_arrive_afterwards() {
    orders_during_an_outage(Store::Kafka, Outage::Frozen, Status::Reserved);
}

#[test]
fn orders_are_accepted_while_postgresql_is_stopped_and_arrive_afterwards() {
    orders_during_an_outage(Store::Postgres, Outage::Stopped, Status::Accepted);
}

#[test]
fn the_audit_names_an_outbox_that_no_relay_looks_at() {
    in_a_sandbox(async |sandbox| {
        let (mut api, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sale = open_sales(&api, 1, 10).await?.remove(0);
        sandbox.stack.freeze(Store::Kafka)?;
        let answer = api.client()?.order(&sale, 0).await;
        api.kill()?;
        sandbox.stack.bring_back(Store::Kafka).await?;
        let status = answer.order().map(|it| it.status);
        ensure!(status == Some(Status::Reserved), "{answer:?}");
        expect_right_audit(sandbox).await?;

        let redis = &sandbox.stores.redis;
        let unindex = ["SREM", "fg:sales", sale.product.as_str()];
        ensure!(redis.command::<i64>(&unindex).await? == 1, "not indexed");
        reconcile(sandbox, &["audit"], 1, "no relay publishes the 1 entries").await?;
        api.restart().await?;
        api.client()?.open(&sale).await?;
        sandbox.stores.drained(&[sale], WRITE_LIMIT).await?;
        expect_right_audit(sandbox).await
    });
}

/// What makes a store unavailable.
enum Outage {
    Stopped,
    Frozen,
}

/// Orders come at a constant rate before, during and after; all of them are taken, with `status`
/// during the outage. No service is started again.
fn orders_during_an_outage(store: Store, outage: Outage, status: Status) {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
        let sales = open_sales(&api, 1, 100_000).await?;
        let player = crowd(64, &[&api]).at(ORDERS_PER_SECOND);
        let running = player.start(&sales, once(0..1, 0..100_000))?;
        running.answered(u64::from(2 * ORDERS_PER_SECOND)).await?;

        match outage {
            Outage::Stopped => sandbox.stack.shut_down(store).await?,
            Outage::Frozen => sandbox.stack.freeze(store)?,
        }
        let begin = Instant::now();
        sleep(OUTAGE).await;
        let end = Instant::now();
        sandbox.stack.bring_back(store).await?;
        wait_until("orders are accepted again", WRITE_LIMIT, async || {
            let last = running.progress().last;
            ensure!(last == Some(Status::Accepted), "{last:?}");
            Ok(())
        })
        .await?;
        running.stop();
        let history = running.finish().await?;

        let lost = history.orders().find(|it| it.order_id().is_none());
        ensure!(lost.is_none(), "an order was not taken: {lost:?}");
        expect_fast(&history.sent_between(begin, end))?;
        // One order a second waits for Kafka all the same; the last of them may see it come back.
        let noticed = history.sent_between(begin + NOTICE_LIMIT, end - 2 * PUBLISH_WAIT);
        let other = noticed.iter().find(|it| it.status() != Some(status));
        ensure!(other.is_none(), "not {status:?}: {other:?}");
        expect_right(sandbox, &history).await.map(drop)
    });
}

/// No tight limit, on a machine that others use: the rate was kept, and half of the buyers did not
/// even wait as long as the API waits for Kafka.
fn expect_fast(during: &[&Exchange]) -> Result<()> {
    let wanted = u64::from(ORDERS_PER_SECOND) * OUTAGE.as_secs() * 8 / 10;
    let answers = during.len() as u64;
    let [median, p99] = percentiles(during.iter().copied(), [0.5, 0.99]);
    println!("{answers} answers during the outage, median {median:?}, p99 {p99:?}");
    ensure!(answers >= wanted, "{answers} answers of {wanted}");
    ensure!(median < PUBLISH_WAIT, "the median was {median:?}");
    Ok(())
}

#[test]
fn an_instance_is_ready_only_while_redis_takes_writes() {
    in_a_sandbox(async |sandbox| {
        let fleet = Fleet::single(&sandbox.stack).await?;
        let redis = Redis::connect(&fleet.url, None).await?;
        let api = sandbox.api_with(&[("REDIS_URL", &fleet.url)]).await?;
        for (refusing, taking) in [
            ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
            (
                "CONFIG SET min-replicas-to-write 1",
                "CONFIG SET min-replicas-to-write 0",
            ),
        ] {
            for (command, readiness) in [(refusing, 503), (taking, 200)] {
                let words: Vec<&str> = command.split(' ').collect();
                redis.command::<()>(&words).await?;
                readiness_becomes(&api, readiness).await?;
            }
        }
        Ok(())
    });
}

async fn readiness_becomes(api: &Process, expected: u16) -> Result<()> {
    let url = format!("{}/readyz", api.url());
    wait_until("the readiness changes", WRITE_LIMIT, async || {
        let answer = reqwest::get(&url).await?;
        let (status, body) = (answer.status(), answer.text().await?);
        ensure!(status == expected, "{status} {body}");
        Ok(())
    })
    .await
}
