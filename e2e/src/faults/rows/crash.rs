//! Services that die, or freeze, between two steps whose order matters.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;

use super::{NotHere, Row, row};
use crate::faults::stage::Stage;
use crate::process::Process;
use crate::program::Program;
use crate::until::until;

/// Longest until a service has come to its crash point often enough.
const REACHED: Duration = Duration::from_secs(15);
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
        name: "before_clear",
        about: "one API copy dies after Kafka's acknowledgement, before the outbox is cleared",
        program: Program::IngestApiCrashing,
        passes: 10..60,
    },
    Point {
        name: "before_commit",
        about: "one worker dies after its INSERTs, before COMMIT",
        program: Program::InventoryWorkerCrashing,
        passes: 5..40,
    },
    Point {
        name: "after_commit",
        about: "one worker dies after COMMIT",
        program: Program::InventoryWorkerCrashing,
        passes: 5..40,
    },
    Point {
        name: "before_offsets",
        about: "one worker dies before it stores offsets in Kafka",
        program: Program::InventoryWorkerCrashing,
        passes: 5..40,
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
    let victim = arm(stage, program, &armed).await?;
    let status = victim.ended(REACHED).await.context(armed)?;
    ensure!(
        status.code().is_none(),
        "it ended with {status}, not by a signal"
    );
    stage.mark("died");
    stage.wait_ms(200..1_500).await;
    victim_of(stage, program).restart().await?;
    stage.mark("started again");
    Ok(())
}

async fn freeze(stage: &mut Stage) -> Result<()> {
    let program = Program::InventoryWorkerCrashing;
    let armed = format!("before_commit:{}:stop", stage.rng.u64(5..40));
    let victim = arm(stage, program, &armed).await?;
    until("the worker is stopped", REACHED, async || {
        ensure!(victim.is_stopped()?, "it runs");
        Ok(())
    })
    .await?;
    stage.mark("stopped");
    stage.wait_ms(FROZEN).await;
    victim_of(stage, program).resume()?;
    stage.mark("goes on");
    Ok(())
}

/// Puts a program with crash points in the place of one service.
async fn arm<'a>(stage: &'a mut Stage, program: Program, armed: &str) -> Result<&'a mut Process> {
    if program.path().is_err() {
        let how = "programs with crash points are not built: scripts/faults builds them";
        return Err(NotHere(how.to_owned()).into());
    }
    stage.mark(armed);
    let victim = victim_of(stage, program);
    victim.terminate(Duration::from_secs(10)).await?;
    // It may be gone before it is ready.
    victim.restart_as(program, &[("CRASH_POINT", armed)])?;
    Ok(victim)
}

fn victim_of(stage: &mut Stage, program: Program) -> &mut Process {
    match program {
        Program::IngestApiCrashing => &mut stage.apis[0],
        _ => &mut stage.workers[0],
    }
}
