//! Sales that are over: cancels of their orders while Kafka or the workers are away.

use std::time::Duration;

use anyhow::{Result, ensure};
use fluxgate_domain::ids::OrderId;
use futures_util::future::join_all;

use super::logs::{kill_workers, restart_workers};
use super::{Environment, Store};
use crate::answer::Status;
use crate::checker::AdminCall;
use crate::exchange::Request;
use crate::order::Action;
use crate::stores::sale_key;
use crate::wait::wait_until;

/// The sale that is closed. It has sold out before.
const SALE: u16 = 0;
const CANCELS: usize = 20;
/// Longest until a closed sale is retired, or a change is published.
const RELAY_LIMIT: Duration = Duration::from_secs(40);

/// Cancels orders of a retired sale while Kafka is frozen. Nobody repeats them.
pub async fn cancel_retired(env: &mut Environment) -> Result<()> {
    close(env).await?;
    wait_until("the sale is retired", RELAY_LIMIT, async || {
        let left = expiry_ms(env).await?;
        ensure!(left >= 0, "its keys do not expire");
        Ok(())
    })
    .await?;
    env.stack().freeze(Store::Kafka)?;
    env.mark("retired; Kafka frozen");
    let mut orders = confirmed(env).await?;
    orders.truncate(CANCELS);
    cancel(env, &orders).await?;
    wait_until("the relay sees the cancels", RELAY_LIMIT, async || {
        let apis = env.apis.iter();
        let entries = apis.map(|api| api.metric("ingest_api_outbox_entries"));
        let most = join_all(entries)
            .await
            .into_iter()
            .flatten()
            .fold(0.0, f64::max);
        ensure!(most >= CANCELS as f64, "{most} entries");
        Ok(())
    })
    .await?;
    env.stack().thaw(Store::Kafka)?;
    env.mark("resumed");
    wait_until("all are cancelled", RELAY_LIMIT, async || {
        let left = confirmed(env).await?;
        let left = orders.iter().filter(|id| left.contains(id)).count();
        ensure!(left == 0, "{left} are confirmed");
        Ok(())
    })
    .await
}

/// Cancels orders of a sale that has left Redis, first while Kafka is frozen, then while no worker runs.
pub async fn cancel_expired(env: &mut Environment) -> Result<()> {
    close(env).await?;
    wait_until("the sale has left Redis", RELAY_LIMIT, async || {
        let left = expiry_ms(env).await?;
        ensure!(left == -2, "its keys expire in {left} ms");
        Ok(())
    })
    .await?;
    let mut orders = confirmed(env).await?;
    orders.truncate(CANCELS);
    let (first, second) = orders.split_at(CANCELS / 2);
    env.stack().freeze(Store::Kafka)?;
    env.mark("it has left Redis; Kafka frozen");
    cancel(env, first).await?;
    env.stack().thaw(Store::Kafka)?;
    kill_workers(env)?;
    cancel(env, second).await?;
    restart_workers(env).await?;
    wait_until("all are cancelled", RELAY_LIMIT, async || {
        cancel(env, &orders).await?;
        let left = confirmed(env).await?;
        let left = orders.iter().filter(|id| left.contains(id)).count();
        ensure!(left == 0, "{left} are confirmed");
        Ok(())
    })
    .await?;
    let product = env.sales[usize::from(SALE)].product.as_str();
    let numbered = env.sandbox.stores.postgres.changes(product).await?;
    let is_numbered = |id: &&OrderId| {
        let cancel = AdminCall::Cancel(**id);
        numbered.iter().any(|(_, change)| *change == cancel)
    };
    let count = orders.iter().filter(is_numbered).count();
    ensure!(count == 0, "{count} cancels have numbers");
    Ok(())
}

/// Closes the sale.
async fn close(env: &Environment) -> Result<()> {
    let (sale, action) = (SALE, Action::Close);
    let caller = env.caller()?;
    wait_until("the sale is closed", RELAY_LIMIT, async || {
        let answer = caller.ask(0, Request { sale, action }).await;
        ensure!(!answer.is_undecided(), "{answer:?}");
        Ok(())
    })
    .await
}

/// The milliseconds that the keys of the sale have left; -1: they do not expire, -2: they are gone.
async fn expiry_ms(env: &Environment) -> Result<i64> {
    let key = sale_key(&env.sales[usize::from(SALE)].product);
    env.sandbox.stores.redis.command(&["PTTL", &key]).await
}

async fn confirmed(env: &Environment) -> Result<Vec<OrderId>> {
    let product = env.sales[usize::from(SALE)].product.as_str();
    let rows = env.sandbox.stores.postgres.rows(product).await?;
    let rows = rows.into_iter();
    let confirmed = rows.filter(|row| row.status == Status::Confirmed);
    Ok(confirmed.map(|row| row.id).collect())
}

/// Sends one cancel of each order, all at once.
async fn cancel(env: &Environment, orders: &[OrderId]) -> Result<()> {
    let caller = env.caller()?;
    let cancels = (0..).zip(orders).map(|(instance, id)| {
        let action = Action::Cancel(*id);
        caller.ask(instance, Request { sale: SALE, action })
    });
    join_all(cancels).await;
    Ok(())
}
