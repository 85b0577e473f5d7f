//! Redis with replicas: its master dies, or its slots move.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::FutureExt;

use super::{Redis, Row, Setup, row};
use crate::faults::stage::Stage;
use crate::fleet::Fleet;

/// Longer than a failover takes.
const AWAY: std::ops::Range<u64> = 4_000..6_000;
/// Between two keys of a slot that moves.
const BETWEEN_KEYS: Duration = Duration::from_millis(300);

pub fn rows() -> Vec<Row> {
    const ON_ONE_REPLICA: &[(&str, &str)] = &[("REDIS_WAIT_REPLICAS", "1")];
    vec![
        failover(
            "sentinel-failover",
            "kill -9 the master under Sentinels; a replica takes over",
            Redis::Sentinels,
            &[],
        ),
        failover(
            "sentinel-failover-wait",
            "the same with REDIS_WAIT_REPLICAS=1: nothing may be lost",
            Redis::Sentinels,
            ON_ONE_REPLICA,
        ),
        failover(
            "cluster-failover",
            "kill -9 one master of a Cluster; its replica takes over",
            Redis::Cluster,
            &[],
        ),
        failover(
            "cluster-failover-wait",
            "the same with REDIS_WAIT_REPLICAS=1: nothing may be lost",
            Redis::Cluster,
            ON_ONE_REPLICA,
        ),
        Row {
            setup: Setup {
                redis: Redis::Cluster,
                ..Setup::default()
            },
            ..row(
                "cluster-slot-moved",
                "the slot of a running sale moves to another master, key by key",
                |stage| {
                    async {
                        let product = stage.products[3].clone();
                        let fleet = fleet(stage)?;
                        fleet.move_slot(&product, BETWEEN_KEYS).await?;
                        stage.mark("moved");
                        Ok(())
                    }
                    .boxed_local()
                },
            )
        },
    ]
}

/// Replication runs behind the answers: without waiting for a replica the last ones may be lost.
fn failover(
    name: &str,
    about: &'static str,
    redis: Redis,
    settings: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        setup: Setup {
            redis,
            settings,
            ..Setup::default()
        },
        may_lose: settings.is_empty(),
        ..row(name, about, |stage| kill_master(stage).boxed_local())
    }
}

async fn kill_master(stage: &mut Stage) -> Result<()> {
    let product = stage.products[3].clone();
    let master = fleet(stage)?.kill_master(&product).await?;
    stage.mark("master killed");
    stage.wait_ms(AWAY).await;
    fleet(stage)?.start_again(master).await?;
    stage.mark("started again, as a replica");
    Ok(())
}

fn fleet(stage: &mut Stage) -> Result<&mut Fleet> {
    stage
        .fleet
        .as_mut()
        .context("this run has a Redis of its own")
}
