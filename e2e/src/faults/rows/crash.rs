//! Services that die, or freeze, between two steps whose order matters.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt;

use super::{NotHere, Row, row};
use crate::faults::stage::Stage;
use crate::process::Process;
use crate::program::Program;
use crate::until::until;

/// Longest until a service has come to its crash point often enough; then another one is tried.
const REACHED: Duration = Duration::from_secs(5);
const TERM_LIMIT: Duration = Duration::from_secs(10);
/// Longer than the session in the group, and than any transaction may take.
const FROZEN: std::ops::Range<u64> = 7_000..8_000;

/// A place in the code, and how often it is passed unharmed.
struct Point {
    name: &'static str,
    about: &'static str,
    program: Program,
    passes: std::ops::Range<u64>,
}

const POINTS: [Point; 6] = [
    Point {
        name: "after_reserve",
        about: "one API copy dies after the Lua call, before it publishes",
        program: Program::IngestApiCrashing,
        passes: 20..150,
    },
    Point {
        name: "after_send",
        about: "one API copy dies after it has sent an event, before it answers",
        program: Program::IngestApiCrashing,
        passes: 20..150,
    },
    Point {
        name: "before_ack",
        about: "one API copy dies after Kafka's acknowledgement, before the outbox is cleared",
        program: Program::IngestApiCrashing,
        passes: 10..60,
    },
    Point {
        name: "before_commit",
        about: "one worker dies after its INSERTs, before COMMIT",
        program: Program::InventoryWorkerCrashing,
        passes: 2..8,
    },
    Point {
        name: "after_commit",
        about: "one worker dies after COMMIT",
        program: Program::InventoryWorkerCrashing,
        passes: 2..8,
    },
    Point {
        name: "before_offsets",
        about: "one worker dies before it stores offsets in Kafka",
        program: Program::InventoryWorkerCrashing,
        passes: 2..8,
    },
];

pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = POINTS.into_iter().map(dies).collect();
    rows.push(row(
        "stop-before-commit",
        "one worker is stopped between INSERT and COMMIT, past its session, and goes on",
        |stage| freeze(stage).boxed_local(),
    ));
    rows
}

fn dies(point: Point) -> Row {
    let name = format!("crash-{}", point.name.replace('_', "-"));
    row(&name, point.about, move |stage| {
        die(stage, point.program, point.name, point.passes.clone()).boxed_local()
    })
}

async fn die(
    stage: &mut Stage,
    program: Program,
    point: &str,
    passes: std::ops::Range<u64>,
) -> Result<()> {
    let armed = format!("{point}:{}", stage.rng.u64(passes));
    for victim in [0, 1, 0, 1] {
        arm(stage, program, victim, &armed).await?;
        let ended = at(stage, program, victim).ended(REACHED).await;
        match ended {
            Ok(status) => {
                ensure!(status.code().is_none(), "it ended with {status}");
                stage.mark("died");
                stage.wait_ms(200..1_500).await;
                at(stage, program, victim).restart().await?;
                stage.mark("started again");
                return Ok(());
            }
            Err(_) => disarm(stage, program, victim).await?,
        }
    }
    anyhow::bail!("nobody came to {armed}")
}

async fn freeze(stage: &mut Stage) -> Result<()> {
    let program = Program::InventoryWorkerCrashing;
    let armed = format!("before_commit:{}:stop", stage.rng.u64(2..8));
    for victim in [0, 1, 0, 1] {
        arm(stage, program, victim, &armed).await?;
        let frozen = until("the worker is stopped", REACHED, async || {
            ensure!(at(stage, program, victim).is_stopped()?, "it runs");
            Ok(())
        });
        if frozen.await.is_err() {
            disarm(stage, program, victim).await?;
            continue;
        }
        stage.mark("stopped");
        stage.wait_ms(FROZEN).await;
        at(stage, program, victim).resume()?;
        stage.mark("goes on");
        return Ok(());
    }
    anyhow::bail!("nobody came to {armed}")
}

/// A worker may have only partitions on which nothing happens.
async fn disarm(stage: &mut Stage, program: Program, victim: usize) -> Result<()> {
    let service = at(stage, program, victim);
    service.terminate(TERM_LIMIT).await?;
    service.restart().await
}

/// Puts a program with crash points in the place of one service. It may be gone before it is ready.
async fn arm(stage: &mut Stage, program: Program, victim: usize, armed: &str) -> Result<()> {
    if program.path().is_err() {
        let how = "programs with crash points are not built: scripts/faults builds them";
        return Err(NotHere(how.to_owned()).into());
    }
    stage.mark(armed);
    let service = at(stage, program, victim);
    service.terminate(TERM_LIMIT).await?;
    service.restart_as(program, &[("CRASH_POINT", armed)])
}

fn at(stage: &mut Stage, program: Program, number: usize) -> &mut Process {
    match program {
        Program::IngestApiCrashing => &mut stage.apis[number],
        _ => &mut stage.workers[number],
    }
}
