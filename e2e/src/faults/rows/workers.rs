//! What workers do to each other.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt;
use tokio::time::sleep;

use super::{Row, Setup, row};
use crate::faults::stage::Stage;
use crate::until::until;

const PARTITIONS: f64 = 12.0;
/// Longest until the other worker has them all: a session, and what the rest of the group needs.
const TAKE_OVER: Duration = Duration::from_secs(15);
/// Times that a third worker comes and goes.
const VISITS: usize = 6;

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "rebalance-storm",
            "a third worker joins and leaves, in good order or not, every second",
            |stage| storm(stage).boxed_local(),
        ),
        row(
            "zombie-worker",
            "one worker frozen until the other has all partitions, then going on",
            |stage| zombie(stage).boxed_local(),
        ),
    ]
}

async fn storm(stage: &mut Stage) -> Result<()> {
    for visit in 0..VISITS {
        stage.add_worker(2, &Setup::default())?;
        stage.mark("joins");
        stage.wait_ms(600..1_200).await;
        if let Some(mut guest) = stage.workers.pop() {
            if visit % 2 == 0 {
                guest.terminate(Duration::from_secs(10)).await?;
            } else {
                guest.kill()?;
            }
        }
        stage.mark("has left");
        stage.wait_ms(100..400).await;
    }
    Ok(())
}

async fn zombie(stage: &mut Stage) -> Result<()> {
    let victim = stage.rng.usize(..stage.workers.len());
    stage.workers[victim].pause()?;
    stage.mark("frozen");
    let survivor = &stage.workers[1 - victim];
    until(
        "the other worker has all partitions",
        TAKE_OVER,
        async || {
            let metric = "inventory_worker_partitions_assigned";
            let assigned = survivor.metric(metric).await?;
            ensure!(assigned >= PARTITIONS, "it has {assigned}");
            Ok(())
        },
    )
    .await?;
    // Time enough to write what the frozen one was about to.
    sleep(Duration::from_secs(1)).await;
    stage.workers[victim].resume()?;
    stage.mark("goes on");
    Ok(())
}
