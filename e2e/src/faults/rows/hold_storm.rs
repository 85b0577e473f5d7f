//! Many holds end at once, while payments, cancels, restocks and new orders race with the expiries.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Result;
use fluxgate_domain::ids::OrderId;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::super::held_sale::{HeldSale, order};
use super::{Component, Environment, services};
use crate::answer::Status;
use crate::client::Client;
use crate::order::Action;
use crate::process::Process;

/// A hold: long enough to place all orders. One second more for each of so many of them.
const HOLD_SECONDS: u32 = 10;
const PLACED_PER_SECOND: u32 = 1_000;
const GRACE_SECONDS: u32 = 1;
/// The race begins so long before the grace of the first order is over.
const LEAD: Duration = Duration::from_millis(500);
const RESTOCKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A quarter of the orders is paid and a quarter cancelled while their grace ends, and a store or a worker dies meanwhile. All
/// units are held before, so that new orders take those that come back.
pub async fn storm(env: &mut Environment, victim: Component) -> Result<()> {
    if victim == Component::Redis {
        // Otherwise it loses acknowledged writes, which is another row.
        let redis = env.sandbox.stores.redis.clone();
        redis.configure("appendfsync", "always").await?;
    }
    let count = env.holds;
    let seconds = HOLD_SECONDS + count / PLACED_PER_SECOND;
    let sale = HeldSale::open(env, count, seconds, GRACE_SECONDS).await?;
    let begin = Instant::now();
    let orders = sale.place(0..count).await?;
    let span = begin.elapsed().as_secs_f64();
    let mut actions = racing(&orders);
    env.rng.shuffle(&mut actions);
    sleep((sale.holds.time() - LEAD).saturating_sub(begin.elapsed())).await;
    let (race, mut lateness) = (Instant::now(), 0.0);
    let instances = env.apis.iter().map(Process::client);
    let instances: Vec<Client> = instances.collect::<Result<_>>()?;
    let raced = async {
        let disturbed = async {
            env.wait_ms(500..1_000).await;
            services::kill(env, victim).await?;
            anyhow::Ok(race.elapsed().as_secs_f64())
        };
        let ((), back) = tokio::try_join!(sale.ask(actions), disturbed)?;
        anyhow::Ok((sale.expect_right(env).await?, back))
    };
    let (contents, back) = tokio::select! {
        raced = raced => raced?,
        never = watch(&instances, &mut lateness) => match never {},
    };
    let rows = |status| contents.units(|it| it == status);
    println!(
        "{count} holds that ended within {span:.1} s, {victim:?} killed: {} units completed, {} expired, {} cancelled; \
         expired at most {lateness:.1} s late. After the race began, it was back in {back:.1} s, and no order was held in {:.1} s",
        rows(Status::Completed),
        rows(Status::Expired),
        rows(Status::Cancelled),
        race.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// What races with the expiry of these orders; new buyers have the numbers after theirs.
fn racing(orders: &[OrderId]) -> Vec<Action> {
    let count = orders.len() as u32;
    let units = count.div_ceil(100);
    let completions = orders.iter().step_by(4).copied().map(Action::Complete);
    let cancels = orders[1..].iter().step_by(4).copied().map(Action::Cancel);
    let restocks = (0..RESTOCKS).map(|number| Action::Restock { number, units });
    let new = (count..2 * count).map(order);
    completions
        .chain(cancels)
        .chain(restocks)
        .chain(new)
        .collect()
}

/// Keeps the highest lateness that an instance reports.
async fn watch(instances: &[Client], lateness: &mut f64) -> Infallible {
    const LATENESS: &str = "ingest_api_hold_expiry_lateness_seconds";
    loop {
        let reported = join_all(instances.iter().map(|it| it.metric(LATENESS))).await;
        *lateness = reported.into_iter().flatten().fold(*lateness, f64::max);
        sleep(BETWEEN_LOOKS).await;
    }
}
