//! Two faults at once: a store is away, and one service dies and starts again without it.

use anyhow::Result;
use futures_util::FutureExt;

use super::services::choose;
use super::{Component, Environment, Row};

/// How a store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Killed,
    Frozen,
}

/// Each store, killed and frozen, with each service.
pub fn rows() -> Vec<Row> {
    use Component::{Api, Kafka, Postgres, Redis, Worker};
    let mut rows = Vec::new();
    for store in [Redis, Kafka, Postgres] {
        for (outage, kind) in [(Outage::Killed, "kill"), (Outage::Frozen, "pause")] {
            for service in [Api, Worker] {
                let name = format!("{store:?}-{kind}+{service:?}-kill").to_lowercase();
                rows.push(Row::new(name, about(outage, service), move |env| {
                    both(env, store, outage, service).boxed_local()
                }));
            }
        }
    }
    rows
}

fn about(outage: Outage, service: Component) -> &'static str {
    match (outage, service) {
        (Outage::Killed, Component::Api) => {
            "the store and one API instance killed; the instance starts before the store"
        }
        (Outage::Killed, _) => {
            "the store and one worker killed; the worker starts before the store"
        }
        (Outage::Frozen, Component::Api) => {
            "the store frozen for up to 8 s; one API instance killed and started meanwhile"
        }
        (Outage::Frozen, _) => {
            "the store frozen for up to 8 s; one worker killed and started meanwhile"
        }
    }
}

/// The seed decides which of the two is away first, and for how long both are.
async fn both(
    env: &mut Environment,
    store: Component,
    outage: Outage,
    service: Component,
) -> Result<()> {
    if (store, outage) == (Component::Redis, Outage::Killed) {
        // Otherwise it loses acknowledged writes, which is another row.
        let redis = env.sandbox.stores.redis.clone();
        redis.configure("appendfsync", "always").await?;
    }
    let store = store.store().expect("a pair has a store");
    let victim = choose(env, service);
    let dies_first = env.rng.bool();
    if dies_first {
        kill_service(env, service, victim).await?;
    }
    match outage {
        Outage::Killed => env.stack().kill(store)?,
        Outage::Frozen => env.stack().freeze(store)?,
    }
    env.mark(&format!("{store} is away"));
    env.wait_ms(100..2_000).await;
    if !dies_first {
        kill_service(env, service, victim).await?;
    }
    env.services(service)[victim].start_again()?;
    env.mark("started again");
    env.wait_ms(2_000..6_000).await;
    match outage {
        Outage::Killed => env.bring_back(store).await?,
        Outage::Frozen => env.stack().thaw(store)?,
    }
    env.mark(&format!("{store} is back"));
    env.ready().await
}

async fn kill_service(env: &mut Environment, service: Component, victim: usize) -> Result<()> {
    env.services(service)[victim].kill()?;
    env.mark("a service is killed");
    env.wait_ms(100..2_000).await;
    Ok(())
}
