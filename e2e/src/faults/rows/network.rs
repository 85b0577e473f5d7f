//! Cut, reset, slow and swallowing ways: between buyers and API, between one worker and its stores, and in front
//! of each store.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt;
use tokio::time::sleep;

use super::{Row, row};
use crate::faults::links::Cut;
use crate::faults::proxy::Mode;
use crate::faults::stage::Stage;

/// How long a way is slow.
const SLOW: Duration = Duration::from_secs(5);
/// How long every connection is reset at last.
const RESET: Duration = Duration::from_secs(2);
/// How long nothing gets through.
const HOLE: Duration = Duration::from_secs(6);
/// Times that a way breaks and is whole again.
const PULSES: usize = 6;

pub fn rows() -> Vec<Row> {
    let places = [
        (Cut::Api, "api"),
        (Cut::Worker, "worker"),
        (Cut::Redis, "redis"),
        (Cut::Kafka, "kafka"),
        (Cut::Postgres, "postgres"),
    ];
    let mut rows = Vec::new();
    for (place, name) in places {
        let kinds = [
            row(
                &format!("{name}-cut"),
                "replies cut after the request went through, six times",
                |stage| cut(stage).boxed_local(),
            ),
            row(
                &format!("{name}-reset"),
                "all connections reset, again and again, then for 2 s",
                |stage| reset(stage).boxed_local(),
            ),
            row(
                &format!("{name}-latency"),
                "50, 200 or 600 ms each way for 5 s",
                |stage| latency(stage).boxed_local(),
            ),
            row(
                &format!("{name}-blackhole"),
                "nothing gets through for 6 s; what was sent arrives afterwards",
                |stage| blackhole(stage).boxed_local(),
            ),
        ];
        rows.extend(kinds.map(|mut row| {
            row.setup.cut = place;
            row
        }));
    }
    rows
}

/// In pulses: while replies are cut, hardly a client gets far enough to send a request.
async fn cut(stage: &mut Stage) -> Result<()> {
    pulse(stage, Mode::CutReplies).await;
    Ok(())
}

async fn reset(stage: &mut Stage) -> Result<()> {
    pulse(stage, Mode::Reset).await;
    stage.links.set(Mode::Reset);
    sleep(RESET).await;
    stage.links.set(Mode::Pass);
    Ok(())
}

async fn latency(stage: &mut Stage) -> Result<()> {
    let delay = stage.rng.choice([50, 200, 600]).unwrap_or(200);
    stage.mark(&format!("{delay} ms each way"));
    stage.links.set(Mode::Latency(Duration::from_millis(delay)));
    sleep(SLOW).await;
    stage.links.set(Mode::Pass);
    Ok(())
}

/// Long enough for everybody to give up on what then happens after all.
async fn blackhole(stage: &mut Stage) -> Result<()> {
    stage.links.set(Mode::Blackhole);
    sleep(HOLE).await;
    stage.links.set(Mode::Pass);
    Ok(())
}

async fn pulse(stage: &mut Stage, mode: Mode) {
    for _ in 0..PULSES {
        stage.links.set(mode);
        stage.wait_ms(50..300).await;
        stage.links.set(Mode::Pass);
        stage.wait_ms(100..600).await;
    }
}
