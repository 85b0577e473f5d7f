//! What only Redis can do.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt;
use tokio::time::sleep;

use super::kill::kill_store;
use super::{Row, row};
use crate::faults::stage::Stage;
use crate::stack::Store;

/// How long Redis takes no writes.
const FULL: Duration = Duration::from_secs(4);

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            may_lose: true,
            ..row(
                "redis-kill-everysec",
                "kill -9 Redis, which writes to disk once a second",
                |stage| kill_store(stage, Store::Redis).boxed_local(),
            )
        },
        Row {
            may_lose: true,
            ..row(
                "redis-torn",
                "kill -9 Redis, and the end of its file is lost, as in a power cut",
                |stage| torn(stage).boxed_local(),
            )
        },
        row("redis-oom", "Redis is out of memory for 4 s", |stage| {
            async {
                let gate = stage.sandbox.stores.gate.clone();
                gate.configure("maxmemory", "1").await?;
                stage.mark("out of memory");
                sleep(FULL).await;
                gate.configure("maxmemory", "0").await
            }
            .boxed_local()
        }),
    ]
}

/// Kills Redis, takes some of what it wrote last away, and starts it again.
pub async fn torn(stage: &mut Stage) -> Result<()> {
    let bytes = stage.rng.u64(5_000..60_000);
    let what = format!("killed, {bytes} bytes lost");
    let tear = move |stack: &crate::stack::Stack| {
        stack.kill(Store::Redis)?;
        // Whatever it still does, it does not write to what is cut.
        stack.shut_down(Store::Redis)?;
        stack.tear_redis_file(bytes)
    };
    stage.store(&what, tear).await?;
    let start = |stack: &crate::stack::Stack| stack.bring_back(Store::Redis);
    stage.store("started again", start).await
}
