//! A Redis Cluster whose slots move, and one that lacks a master.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::fleet::Fleet;
use e2e::order::Sale;
use e2e::wait::wait_until;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox, open_sales};

/// Instances ask for the slots every 5 s too: a move that they learn of in that way proves nothing.
const MOVES: u32 = 3;
const WITHOUT_PAUSE: Duration = Duration::ZERO;

#[test]
fn an_order_is_taken_at_once_wherever_its_slot_moves() {
    in_a_sandbox(async |sandbox| {
        let fleet = Fleet::cluster(&sandbox.stack, None).await?;
        let redis = [("REDIS_URL", fleet.url.as_str())];
        let (mut api, _worker) = tokio::try_join!(sandbox.api_with(&redis), sandbox.worker())?;
        let client = api.client()?;
        let sale = open_sales(&api, 1, 100).await?.remove(0);
        for n in 0..MOVES {
            let moving = fleet.move_keys(&sale.product, WITHOUT_PAUSE).await?;
            let asked = expect_taken(&client, &sale, 2 * n).await;
            asked.context("while the slot moves")?;
            api.pause()?;
            fleet.end_move(moving).await?;
            api.resume()?;
            let moved = expect_taken(&client, &sale, 2 * n + 1).await;
            moved.context("after an instance has missed the end of the move")?;
        }
        Ok(())
    });
}

#[test]
fn an_order_is_taken_while_its_slot_moves_to_a_master_without_slots() {
    in_a_sandbox(async |sandbox| {
        let mut fleet = Fleet::cluster(&sandbox.stack, None).await?;
        fleet.add_master().await?;
        let redis = [("REDIS_URL", fleet.url.as_str())];
        let (api, _worker) = tokio::try_join!(sandbox.api_with(&redis), sandbox.worker())?;
        let client = api.client()?;
        let sale = open_sales(&api, 1, 100).await?.remove(0);
        let moving = fleet.move_keys(&sale.product, WITHOUT_PAUSE).await?;
        expect_taken(&client, &sale, 0).await?;
        fleet.end_move(moving).await?;
        expect_taken(&client, &sale, 1).await
    });
}

#[test]
fn a_new_instance_sells_while_a_master_is_dead() {
    in_a_sandbox(async |sandbox| {
        let mut fleet = Fleet::cluster(&sandbox.stack, None).await?;
        let redis = [("REDIS_URL", &*fleet.url.clone())];
        let (mut api, _worker) = tokio::try_join!(sandbox.api_with(&redis), sandbox.worker())?;
        let lost = open_sales(&api, 1, 100).await?.remove(0);
        let sale = loop {
            let sale = open_sales(&api, 1, 100).await?.remove(0);
            if !fleet.is_together(&sale.product, &lost.product).await? {
                break sale;
            }
        };
        fleet.kill_group(&lost.product).await?;
        api.kill()?;
        api.restart().await?;
        let client = api.client()?;
        wait_until("the new instance sells", WRITE_LIMIT, async || {
            expect_taken(&client, &sale, 1).await
        })
        .await
    });
}

async fn expect_taken(client: &Client, sale: &Sale, buyer: u32) -> Result<()> {
    let response = client.order(sale, buyer).await;
    ensure!(response.order().is_some(), "{response:?}");
    Ok(())
}
