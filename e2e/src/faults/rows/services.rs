//! Processes that are killed, frozen, or crash between two steps whose order matters.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::{Component, Environment, Skipped, Store};
use crate::process::Process;
use crate::program::Program;
use crate::wait::wait_until;

/// Longer than sessions, transactions, messages and callers last.
const FREEZE: Duration = Duration::from_secs(8);
/// Longer than a session in the group, and than any transaction may take.
const PAST_SESSION: Range<u64> = 7_000..8_000;
/// Longest until a service has passed its crash point often enough. Then the next one is tried: a worker may have only
/// partitions without orders.
const REACH_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const PARTITIONS: f64 = 12.0;
/// Longest until the other worker has all partitions: a session, and what the rest of the group needs.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(15);
/// Times that a third worker joins and leaves.
const VISITS: usize = 6;

pub async fn kill(env: &mut Environment, component: Component) -> Result<()> {
    if let Some(store) = component.store() {
        env.stack().kill(store)?;
        env.mark("killed");
        env.wait_ms(200..2_500).await;
        return env.bring_back(store).await;
    }
    let victim = choose(env, component);
    env.services(component)[victim].kill()?;
    env.mark("killed");
    env.wait_ms(200..2_500).await;
    env.restart(component, victim).await
}

pub async fn freeze(env: &mut Environment, component: Component) -> Result<()> {
    if let Some(store) = component.store() {
        return freeze_store(env, store, FREEZE).await;
    }
    let victim = choose(env, component);
    env.services(component)[victim].pause()?;
    env.mark("frozen");
    sleep(FREEZE).await;
    env.services(component)[victim].resume()?;
    env.mark("resumed");
    Ok(())
}

pub async fn freeze_store(env: &Environment, store: Store, time: Duration) -> Result<()> {
    env.stack().freeze(store)?;
    env.mark("frozen");
    sleep(time).await;
    env.stack().thaw(store)?;
    env.mark("resumed");
    Ok(())
}

/// An instance that refuses from memory must not do so with what it knew before it was frozen.
pub async fn freeze_instances_in_turn(env: &mut Environment) -> Result<()> {
    let end = Instant::now() + FREEZE;
    while Instant::now() < end {
        let victim = choose(env, Component::Api);
        env.apis[victim].pause()?;
        env.wait_ms(50..600).await;
        env.apis[victim].resume()?;
        env.mark("an instance resumed");
        env.wait_ms(0..100).await;
    }
    Ok(())
}

pub async fn rebalance_storm(env: &mut Environment) -> Result<()> {
    for visit in 0..VISITS {
        env.add(Component::Worker, &[])?;
        env.mark("joins");
        env.wait_ms(600..1_200).await;
        if let Some(mut guest) = env.workers.pop() {
            if visit % 2 == 0 {
                guest.terminate(STOP_LIMIT).await?;
            } else {
                guest.kill()?;
            }
        }
        env.mark("has left");
        env.wait_ms(100..400).await;
    }
    Ok(())
}

pub async fn zombie_worker(env: &mut Environment) -> Result<()> {
    let victim = choose(env, Component::Worker);
    env.workers[victim].pause()?;
    env.mark("frozen");
    let other = &env.workers[1 - victim];
    let what = "the other worker has all partitions";
    wait_until(what, TAKE_OVER_LIMIT, async || {
        let assigned = other.metric("inventory_worker_partitions_assigned").await?;
        ensure!(assigned >= PARTITIONS, "it has {assigned}");
        Ok(())
    })
    .await?;
    // Long enough to write what the frozen one was about to.
    sleep(Duration::from_secs(1)).await;
    env.workers[victim].resume()?;
    env.mark("resumed");
    Ok(())
}

/// Lets a service die at a crash point, and starts it again without.
pub async fn crash(
    env: &mut Environment,
    component: Component,
    point: &'static str,
    passes: Range<u64>,
) -> Result<()> {
    let armed = format!("{point}:{}", env.rng.u64(passes));
    end_at(env, component, &armed).await
}

/// Has an essential task of a service panic: the service ends by itself, and is started again.
pub async fn panic_in_a_task(
    env: &mut Environment,
    component: Component,
    point: &'static str,
    passes: Range<u64>,
) -> Result<()> {
    let armed = format!("{point}:{}:panic", env.rng.u64(passes));
    end_at(env, component, &armed).await
}

async fn end_at(env: &mut Environment, component: Component, armed: &str) -> Result<()> {
    let victim = reach(env, component, armed).await?;
    env.mark("ended");
    env.wait_ms(200..1_500).await;
    env.restart(component, victim).await
}

/// Stops one worker between INSERT and COMMIT until its session has expired.
pub async fn stop_before_commit(env: &mut Environment) -> Result<()> {
    let armed = format!("before_commit:{}:stop", env.rng.u64(2..8));
    let victim = reach(env, Component::Worker, &armed).await?;
    env.mark("stopped");
    env.wait_ms(PAST_SESSION).await;
    env.workers[victim].resume()?;
    env.mark("resumed");
    Ok(())
}

/// Arms a crash point of one service after the other, until one has died, stopped or panicked there: which one.
async fn reach(env: &mut Environment, component: Component, armed: &str) -> Result<usize> {
    for victim in [0, 1, 0, 1] {
        let service = arm(env, component, victim, armed).await?;
        let reached = wait_until("the service reaches it", REACH_LIMIT, async || {
            let ended = service.has_ended()?;
            ensure!(ended.is_some() || service.is_stopped()?, "it runs");
            Ok(ended)
        });
        if let Ok(ended) = reached.await {
            let code = ended.and_then(|status| status.code());
            let expected = armed.ends_with(":panic").then_some(1);
            ensure!(code == expected, "it ended with {ended:?}");
            return Ok(victim);
        }
        service.terminate(STOP_LIMIT).await?;
        service.restart().await?;
    }
    bail!("no service has passed {armed}")
}

/// Starts a program with crash points in the place of one service. It may die before it is ready.
async fn arm<'a>(
    env: &'a mut Environment,
    component: Component,
    victim: usize,
    armed: &str,
) -> Result<&'a mut Process> {
    let program = match component {
        Component::Api => Program::IngestApiCrashing,
        _ => Program::InventoryWorkerCrashing,
    };
    if program.path().is_err() {
        let why = "programs with crash points are not built: scripts/faults builds them";
        return Err(Skipped(why.to_owned()).into());
    }
    env.mark(armed);
    let service = &mut env.services(component)[victim];
    service.terminate(STOP_LIMIT).await?;
    service.restart_as(program, &[("CRASH_POINT", armed)])?;
    Ok(service)
}

/// One of the services, as the seed decides.
pub(super) fn choose(env: &mut Environment, component: Component) -> usize {
    let count = env.services(component).len();
    env.rng.usize(..count)
}
