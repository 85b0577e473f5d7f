//! `kill -9`, and the same again from where it was.

use anyhow::Result;
use futures_util::FutureExt;

use super::{Row, row};
use crate::faults::stage::Stage;
use crate::process::Process;
use crate::stack::Store;

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "api-kill",
            "kill -9 one API copy, start it again",
            |stage| {
                async {
                    let victim = stage.rng.usize(..stage.apis.len());
                    kill(stage, victim, |stage| &mut stage.apis).await
                }
                .boxed_local()
            },
        ),
        row(
            "worker-kill",
            "kill -9 one worker, start it again",
            |stage| {
                async {
                    let victim = stage.rng.usize(..stage.workers.len());
                    kill(stage, victim, |stage| &mut stage.workers).await
                }
                .boxed_local()
            },
        ),
        row(
            "redis-kill",
            "kill -9 Redis, which writes every command to disk; start it again",
            |stage| {
                async {
                    stage
                        .sandbox
                        .stores
                        .gate
                        .configure("appendfsync", "always")
                        .await?;
                    kill_store(stage, Store::Redis).await
                }
                .boxed_local()
            },
        ),
        row("kafka-kill", "kill -9 Kafka, start it again", |stage| {
            kill_store(stage, Store::Kafka).boxed_local()
        }),
        row(
            "postgres-kill",
            "kill -9 PostgreSQL, start it again",
            |stage| kill_store(stage, Store::Postgres).boxed_local(),
        ),
    ]
}

async fn kill(
    stage: &mut Stage,
    victim: usize,
    of: fn(&mut Stage) -> &mut Vec<Process>,
) -> Result<()> {
    of(stage)[victim].kill()?;
    stage.mark("killed");
    stage.wait_ms(200..2_500).await;
    of(stage)[victim].restart().await?;
    stage.mark("started again");
    Ok(())
}

/// Kills a store and starts it again, after a moment in which nobody listens.
pub async fn kill_store(stage: &mut Stage, store: Store) -> Result<()> {
    stage
        .store("killed", move |stack| stack.kill(store))
        .await?;
    stage.wait_ms(200..2_500).await;
    let start = "started again";
    stage
        .store(start, move |stack| stack.bring_back(store))
        .await
}
