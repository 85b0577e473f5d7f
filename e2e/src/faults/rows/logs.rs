//! Logs that are exchanged, shortened, or have more than records in them. Where workers halt, the row ends with what an
//! operator does then.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::services::kill;
use super::{Component, Environment};
use crate::answer::Status;
use crate::wait::wait_until;

/// Records of a running sale that are there before anything is done to its log.
const UNREAD: i64 = 200;
/// Longest until so many are there.
const GROWTH_LIMIT: Duration = Duration::from_secs(30);
/// Longest until the producer of every instance writes to a log that was made anew.
const PRODUCER_LIMIT: Duration = Duration::from_secs(30);
/// Longest until a worker has halted its partitions: it asks twice, five seconds apart, and late answers count for
/// nothing.
const HALT_LIMIT: Duration = Duration::from_secs(60);
/// Longest that an operator repeats a command. A client of a worker that is stuck is replaced after 20 s.
const OPERATOR_LIMIT: Duration = Duration::from_secs(90);
/// Records that are repeated in transactions.
const REPEATED: usize = 300;

/// Before the topic is made anew, Kafka is restarted: then the epochs of its leaders begin lower than clients know them.
pub async fn make_anew(env: &mut Environment, kills_worker: bool) -> Result<()> {
    kill(env, Component::Kafka).await?;
    let read = positions(env).await?;
    env.sandbox.stores.topic.empty().await?;
    let anew_us = env.now_us();
    env.mark("the topic is made anew");
    if kills_worker {
        env.wait_ms(0..6_000).await;
        kill(env, Component::Worker).await?;
    }
    until_accepted(env, anew_us).await?;
    accept(env, read.into_keys()).await
}

pub async fn grow_past_position(env: &mut Environment) -> Result<()> {
    kill_workers(env)?;
    let (read, number) = (positions(env).await?, env.endless_partition());
    // Cancels and restocks whose units are sold again are lost.
    env.wait_ms(2_000..4_000).await;
    env.sandbox.stores.topic.empty().await?;
    env.mark("the topic is made anew");
    let position = read.get(&number).context("it was never read")?;
    until_end(env, number, position + 1).await?;
    restart_workers(env).await?;
    accept(env, read.into_keys()).await
}

pub async fn remove_unread(env: &mut Environment) -> Result<()> {
    kill_workers(env)?;
    let (read, number) = (positions(env).await?, env.endless_partition());
    let position = read.get(&number).context("it was never read")?;
    until_end(env, number, position + UNREAD).await?;
    let topic = &env.sandbox.stores.topic;
    let ends = topic.ends().await?;
    let mut shortened = Vec::new();
    for (number, position) in read {
        let unread = ends.get(&number).copied().unwrap_or_default() - position;
        if unread > 1 {
            topic.delete_before(number, position + unread / 2).await?;
            shortened.push(number);
        }
    }
    env.mark("half of the unread records are removed");
    restart_workers(env).await?;
    accept(env, shortened.into_iter()).await
}

pub async fn repeat_in_transactions(env: &mut Environment) -> Result<()> {
    let number = env.endless_partition();
    let topic = &env.sandbox.stores.topic;
    let mut records = topic.records().await?;
    records.retain(|record| record.partition == number);
    records.truncate(REPEATED);
    topic.repeat_in_transactions(&records).await?;
    env.mark("records are repeated in transactions");
    Ok(())
}

/// Waits until every instance has answered an order, sent from `since_us` on, with `accepted`: halted workers stop no
/// producer.
async fn until_accepted(env: &Environment, since_us: u64) -> Result<()> {
    wait_until("new orders are accepted", PRODUCER_LIMIT, async || {
        for instance in 0..env.apis.len() {
            let accepted = env.count_endless(since_us, |it| {
                usize::from(it.instance) == instance && it.status() == Some(Status::Accepted)
            });
            ensure!(accepted > 0, "none by instance {instance}");
        }
        Ok(())
    })
    .await?;
    env.mark("new orders are accepted");
    Ok(())
}

/// Waits until these partitions are halted, and does what an operator does.
async fn accept(env: &Environment, partitions: impl Iterator<Item = i32>) -> Result<()> {
    let partitions: Vec<i32> = partitions.collect();
    let halted = "all partitions that were read are halted";
    wait_until(halted, HALT_LIMIT, async || {
        let halted = env.halted_partitions().await?;
        let rest: Vec<_> = partitions
            .iter()
            .filter(|it| !halted.contains(it))
            .collect();
        ensure!(rest.is_empty(), "{rest:?} are not");
        Ok(())
    })
    .await?;
    env.mark("halted");
    // Undecided while no worker reads the new log yet, or if a partition that was read last is halted only now.
    wait_until("accept-log and republish", OPERATOR_LIMIT, async || {
        for command in ["accept-log", "republish"] {
            let (code, output) = env.sandbox.reconcile(&[command]).await?;
            ensure!(code == 0, "{command}: exit code {code}: {output}");
            env.mark(command);
        }
        Ok(())
    })
    .await
}

/// The positions of the partitions of which something was read.
async fn positions(env: &Environment) -> Result<HashMap<i32, i64>> {
    let stores = &env.sandbox.stores;
    let mut positions = stores.postgres.positions(stores.topic.name()).await?;
    positions.retain(|_, next| *next > 0);
    Ok(positions)
}

async fn until_end(env: &Environment, number: i32, wanted: i64) -> Result<()> {
    wait_until("the log has grown", GROWTH_LIMIT, async || {
        let ends = env.sandbox.stores.topic.ends().await?;
        let end = ends.get(&number).copied().unwrap_or_default();
        ensure!(end >= wanted, "partition {number} ends at {end}");
        Ok(())
    })
    .await
}

pub(super) fn kill_workers(env: &mut Environment) -> Result<()> {
    for worker in &mut env.workers {
        worker.kill()?;
    }
    env.mark("workers killed");
    Ok(())
}

pub(super) async fn restart_workers(env: &mut Environment) -> Result<()> {
    for number in 0..env.workers.len() {
        env.restart(Component::Worker, number).await?;
    }
    Ok(())
}
