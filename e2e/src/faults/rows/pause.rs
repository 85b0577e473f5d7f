//! Frozen for longer than every timeout, and then going on as if nothing had been.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::{Rates, Row, Setup, row};
use crate::faults::stage::Stage;
use crate::process::Process;
use crate::stack::Store;

/// Longer than sessions, transactions, messages and callers last.
pub const PAUSE: Duration = Duration::from_secs(8);
/// Longer than Kafka's controller remembers a broker that is silent (`broker.session.timeout.ms`).
const BROKER_PAUSE: Duration = Duration::from_secs(12);

pub fn rows() -> Vec<Row> {
    vec![
        row("api-pause", "one API copy frozen for 8 s", |stage| {
            async {
                let victim = stage.rng.usize(..stage.apis.len());
                pause(stage, victim, |stage| &mut stage.apis).await
            }
            .boxed_local()
        }),
        row("worker-pause", "one worker frozen for 8 s", |stage| {
            async {
                let victim = stage.rng.usize(..stage.workers.len());
                pause(stage, victim, |stage| &mut stage.workers).await
            }
            .boxed_local()
        }),
        Row {
            setup: Setup {
                apis: 4,
                rates: Rates {
                    retries: 200,
                    cancels: 40,
                    restocks: 10,
                    ..Rates::default()
                },
                ..Setup::default()
            },
            ..row(
                "copies-stutter",
                "four copies, one frozen for up to 600 ms after the other, while units come back",
                |stage| stutter(stage).boxed_local(),
            )
        },
        row("redis-pause", "Redis frozen for 8 s", |stage| {
            pause_store(stage, Store::Redis, PAUSE).boxed_local()
        }),
        row("kafka-pause", "Kafka frozen for 8 s", |stage| {
            pause_store(stage, Store::Kafka, PAUSE).boxed_local()
        }),
        row(
            "kafka-fenced",
            "Kafka frozen for 12 s, twice; its controller takes the broker for dead",
            |stage| fenced_twice(stage).boxed_local(),
        ),
        Row {
            setup: Setup {
                settings: &[("KAFKA_SESSION_TIMEOUT_MS", "10000")],
                ..Setup::default()
            },
            ..row(
                "kafka-pause-in-session",
                "the same with the usual session of 10 s, which outlasts it",
                |stage| pause_store(stage, Store::Kafka, PAUSE).boxed_local(),
            )
        },
        row("postgres-pause", "PostgreSQL frozen for 8 s", |stage| {
            pause_store(stage, Store::Postgres, PAUSE).boxed_local()
        }),
    ]
}

async fn pause(
    stage: &mut Stage,
    victim: usize,
    of: fn(&mut Stage) -> &mut Vec<Process>,
) -> Result<()> {
    of(stage)[victim].pause()?;
    stage.mark("frozen");
    sleep(PAUSE).await;
    of(stage)[victim].resume()?;
    stage.mark("goes on");
    Ok(())
}

/// A copy that says no from memory must not do so with what it knew before it slept.
async fn stutter(stage: &mut Stage) -> Result<()> {
    let end = Instant::now() + PAUSE;
    while Instant::now() < end {
        let copy = stage.rng.usize(..stage.apis.len());
        let time = stage.some_ms(50..600);
        stage.apis[copy].pause()?;
        sleep(time).await;
        stage.apis[copy].resume()?;
        stage.mark("a copy goes on");
        sleep(stage.some_ms(0..100)).await;
    }
    Ok(())
}

/// A broker that comes back fenced names no brokers for a moment, not even itself.
async fn fenced_twice(stage: &mut Stage) -> Result<()> {
    pause_store(stage, Store::Kafka, BROKER_PAUSE).await?;
    sleep(stage.some_ms(2_000..4_000)).await;
    pause_store(stage, Store::Kafka, BROKER_PAUSE).await
}

/// Freezes a store for a while.
pub async fn pause_store(stage: &mut Stage, store: Store, time: Duration) -> Result<()> {
    stage
        .store("frozen", move |stack| stack.freeze(store))
        .await?;
    sleep(time).await;
    stage.store("goes on", move |stack| stack.thaw(store)).await
}
