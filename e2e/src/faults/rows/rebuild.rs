//! Redis loses acknowledged writes: copies notice and sell nothing, until the sales are rebuilt.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use super::redis::torn;
use super::{Row, Setup, row};
use crate::faults::stage::Stage;
use crate::stack::{Stack, Store};
use crate::until::until;

/// How much of Redis is lost, where it is not all.
const LOST: Duration = Duration::from_secs(1);
/// Longest until a copy has noticed.
const NOTICE: Duration = Duration::from_secs(10);
/// How long the loss stands before somebody mends it.
const BEFORE_REPAIR: Duration = Duration::from_secs(1);

pub fn rows() -> Vec<Row> {
    vec![
        repaired(
            "redis-rolled-back",
            "Redis comes back without its last second; noticed; rebuilt",
            |stage| rolled_back(stage).boxed_local(),
        ),
        Row {
            setup: Setup {
                settings: &[("ON_REDIS_LOSS", "continue")],
                ..Setup::default()
            },
            ..repaired(
                "redis-rolled-back-continued",
                "the same with ON_REDIS_LOSS=continue: sold on behind the wall, then rebuilt",
                |stage| rolled_back(stage).boxed_local(),
            )
        },
        repaired(
            "redis-rolled-back-kafka-down",
            "the same while Kafka is away, so that only the copies know better",
            |stage| rolled_back_without_kafka(stage).boxed_local(),
        ),
        repaired(
            "redis-torn-rebuilt",
            "kill -9 Redis, the end of its file is lost; rebuilt",
            |stage| {
                async {
                    torn(stage).await?;
                    rebuild(stage).await
                }
                .boxed_local()
            },
        ),
        repaired(
            "redis-blank",
            "Redis comes back with an empty disk; sales cannot be opened anew; rebuilt",
            |stage| blank(stage).boxed_local(),
        ),
        repaired(
            "rebuild-whole",
            "sales are rebuilt while they run, though nothing was lost",
            |stage| rebuild(stage).boxed_local(),
        ),
    ]
}

fn repaired(
    name: &str,
    about: &'static str,
    fault: impl for<'a> Fn(&'a mut Stage) -> LocalBoxFuture<'a, Result<()>> + 'static,
) -> Row {
    Row {
        may_lose: true,
        repairs: true,
        ..row(name, about, fault)
    }
}

async fn rolled_back(stage: &mut Stage) -> Result<()> {
    stage.store("saved", Stack::save_redis).await?;
    sleep(LOST).await;
    stage.store("rolled back", Stack::revert_redis).await?;
    noticed(stage).await?;
    rebuild(stage).await
}

async fn rolled_back_without_kafka(stage: &mut Stage) -> Result<()> {
    let stop = |stack: &Stack| stack.kill(Store::Kafka);
    stage.store("Kafka killed", stop).await?;
    sleep(LOST).await;
    stage.store("saved", Stack::save_redis).await?;
    sleep(LOST).await;
    stage.store("rolled back", Stack::revert_redis).await?;
    noticed(stage).await?;
    let start = |stack: &Stack| stack.bring_back(Store::Kafka);
    stage.store("Kafka started", start).await?;
    rebuild(stage).await
}

async fn blank(stage: &mut Stage) -> Result<()> {
    stage.store("blank", Stack::blank_redis).await?;
    let client = stage.apis[0].client()?;
    for product in &stage.products {
        until("nobody opens it anew", NOTICE, async || {
            let (status, answer) = client.put(product, 1).await?;
            let refused = status == 409 && answer["code"] == "rebuild_required";
            ensure!(refused, "{status} {answer}");
            Ok(())
        })
        .await?;
    }
    rebuild(stage).await
}

async fn noticed(stage: &Stage) -> Result<()> {
    until("a copy has noticed", NOTICE, async || {
        ensure!(stage.reported_losses().await? > 0.0, "no copy has");
        Ok(())
    })
    .await?;
    stage.mark("noticed");
    sleep(BEFORE_REPAIR).await;
    Ok(())
}

async fn rebuild(stage: &Stage) -> Result<()> {
    let products = stage.products.iter().map(|product| product.as_str());
    let arguments: Vec<&str> = ["rebuild"].into_iter().chain(products).collect();
    let report = stage.sandbox.reconcile(&arguments).await?;
    stage.mark(&report.text);
    ensure!(report.code == 0, "{}", report.text);
    Ok(())
}
