//! Faults of Redis: it dies, loses acknowledged writes, or fails over.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::sleep;

use super::{Component, Environment, Store, services};
use crate::fleet::Fleet;
use crate::order::Sale;
use crate::wait::wait_until;

/// How long Redis takes no writes.
const FULL: Duration = Duration::from_secs(4);
/// How much of Redis is lost, where it is not all.
const LOST: Duration = Duration::from_secs(1);
/// Longest until an instance has noticed a loss.
const NOTICE: Duration = Duration::from_secs(10);
/// From the notice to the rebuild.
const BEFORE_REBUILD: Duration = Duration::from_secs(1);
/// Between two keys of a slot that moves.
const BETWEEN_KEYS: Duration = Duration::from_millis(300);

pub async fn kill_durable(env: &mut Environment) -> Result<()> {
    let redis = env.sandbox.stores.redis.clone();
    redis.configure("appendfsync", "always").await?;
    services::kill(env, Component::Redis).await
}

/// Kills Redis, cuts some bytes off the end of its file, and starts it again.
pub async fn tear_file(env: &mut Environment) -> Result<()> {
    let bytes = env.rng.u64(5_000..60_000);
    let stack = env.stack();
    stack.kill(Store::Redis)?;
    // Whatever the process still does, it does not write to the file.
    stack.shut_down(Store::Redis).await?;
    stack.tear_redis_file(bytes)?;
    env.mark(&format!("killed, {bytes} bytes lost"));
    env.bring_back(Store::Redis).await
}

pub async fn tear_file_and_rebuild(env: &mut Environment) -> Result<()> {
    tear_file(env).await?;
    rebuild(env).await
}

pub async fn out_of_memory(env: &mut Environment) -> Result<()> {
    let redis = env.sandbox.stores.redis.clone();
    redis.configure("maxmemory", "1").await?;
    env.mark("out of memory");
    sleep(FULL).await;
    redis.configure("maxmemory", "0").await
}

pub async fn roll_back(env: &mut Environment, without_kafka: bool) -> Result<()> {
    if without_kafka {
        env.stack().kill(Store::Kafka)?;
        env.mark("Kafka killed");
        sleep(LOST).await;
    }
    env.stack().save_redis()?;
    sleep(LOST).await;
    env.stack().revert_redis().await?;
    env.mark("rolled back");
    wait_until("an instance has noticed the loss", NOTICE, async || {
        ensure!(env.reported_losses().await? > 0.0, "no instance has");
        Ok(())
    })
    .await?;
    env.mark("noticed");
    sleep(BEFORE_REBUILD).await;
    if without_kafka {
        env.bring_back(Store::Kafka).await?;
    }
    rebuild(env).await
}

pub async fn blank(env: &mut Environment) -> Result<()> {
    env.stack().blank_redis().await?;
    env.mark("blank");
    let client = env.apis[0].client()?;
    for sale in &env.sales {
        wait_until("a sale cannot be opened anew", NOTICE, async || {
            let (status, answer) = client
                .put_terms(&sale.product, &json!({"quantity": 1}))
                .await?;
            let refused = status == 409 && answer["code"] == "rebuild_required";
            ensure!(refused, "{status} {answer}");
            Ok(())
        })
        .await?;
    }
    rebuild(env).await
}

pub async fn rebuild(env: &mut Environment) -> Result<()> {
    env.rebuild(env.sales.iter().map(|sale| &sale.product))
        .await
}

pub async fn kill_master(env: &mut Environment) -> Result<()> {
    let product = env.endless_sale().product.clone();
    let master = fleet(env)?.kill_master(&product).await?;
    env.mark("master killed");
    // Longer than a failover takes.
    env.wait_ms(4_000..6_000).await;
    fleet(env)?.start_again(&[master]).await?;
    env.mark("started again, as a replica");
    Ok(())
}

pub async fn move_slot(env: &mut Environment) -> Result<()> {
    let product = env.endless_sale().product.clone();
    fleet(env)?.move_slot(&product, BETWEEN_KEYS).await?;
    env.mark("moved");
    Ok(())
}

/// Nobody has the slots of one master. An instance that starts now sells the sales of the others.
pub async fn start_beside_dead_master(env: &mut Environment) -> Result<()> {
    let sale = open_beside(env).await?;
    let product = env.endless_sale().product.clone();
    let killed = fleet(env)?.kill_group(&product).await?;
    env.mark("master and replica killed");
    env.add(Component::Api, &[])?;
    env.apis.last_mut().context("it was added")?.ready().await?;
    let client = env.apis.last().context("it was added")?.client()?;
    wait_until("it sells", NOTICE, async || {
        let response = client.order(&sale, 1).await;
        ensure!(response.is_done(), "{response:?}");
        Ok(())
    })
    .await?;
    fleet(env)?.start_again(&killed).await?;
    env.mark("started again");
    Ok(())
}

/// Opens a sale on another master than that of the endless sale.
async fn open_beside(env: &mut Environment) -> Result<Sale> {
    let client = env.apis[0].client()?;
    let product = env.endless_sale().product.clone();
    loop {
        let sale = Sale::unique("beside", 100)?;
        if !fleet(env)?.is_together(&sale.product, &product).await? {
            client.open(&sale).await?;
            return Ok(sale);
        }
    }
}

fn fleet(env: &mut Environment) -> Result<&mut Fleet> {
    env.fleet.as_mut().context("this run has a single Redis")
}
