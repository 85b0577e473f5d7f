use std::iter::repeat_n;

use anyhow::{Result, ensure};
use e2e::checker::{Answer, Expectations};
use e2e::load::check::expect_right;
use e2e::load::{Attempt, Player, once, racing};
use e2e::process::Process;
use e2e::sandbox::Sandbox;

use crate::fixture::{WRITE_LIMIT, crowd, in_a_sandbox, open_sales};

const UNITS: u32 = 100;
const BUYERS: u32 = 1_000;
const CONNECTIONS: u32 = 96;
const ROUNDS: usize = 3;

#[test]
fn a_racing_crowd_gets_exactly_the_stock_there_is() {
    in_a_sandbox(async |sandbox| sell_out(sandbox, &[&sandbox.api().await?]).await);
}

#[test]
fn two_instances_sell_one_stock_and_know_each_others_orders() {
    in_a_sandbox(async |sandbox| {
        let (one, other) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        sell_out(sandbox, &[&one, &other]).await
    });
}

/// Every buyer sends three times, the first two at once and to different instances.
async fn sell_out(sandbox: &Sandbox, instances: &[&Process]) -> Result<()> {
    let _workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
    for round in 1..=ROUNDS {
        let sales = open_sales(instances[0], 1, UNITS).await?;
        let player = crowd(CONNECTIONS, instances);
        let history = player.play(&sales, racing(0, BUYERS, |_| true)).await?;
        let undecided = history.count(|it| it == Answer::Undecided);
        let accepted = history.order_ids().count();
        let counts = (undecided, accepted);
        ensure!(
            counts == (0, 300),
            "round {round}: (undecided, accepted) = {counts:?}"
        );
        expect_right(&history, &sandbox.stores, WRITE_LIMIT).await?;
    }
    Ok(())
}

#[test]
fn one_key_over_64_connections_is_one_order() {
    const REQUESTS: usize = 640;
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sales = open_sales(&api, 1, UNITS).await?;
        let same = repeat_n(
            Attempt {
                sale: 0,
                buyer: 1,
                instance: 0,
            },
            REQUESTS,
        );
        let history = crowd(64, &[&api]).play(&sales, same).await?;
        let count = |wanted| {
            history.count(|it| matches!(it, Answer::Placed { replayed, .. } if replayed == wanted))
        };
        let counts = (count(false), count(true));
        ensure!(
            counts == (1, REQUESTS - 1),
            "(first, replayed) = {counts:?}"
        );
        // One order, one row, one unit.
        let found = expect_right(&history, &sandbox.stores, WRITE_LIMIT).await?;
        ensure!(found.rows == 1, "{} rows", found.rows);
        Ok(())
    });
}

#[test]
fn an_order_is_followed_to_confirmed_on_any_instance_and_never_goes_back() {
    const BUYERS: u32 = 150;
    in_a_sandbox(async |sandbox| {
        let (one, other) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let _workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
        let sales = open_sales(&one, 1, 1_000).await?;
        let player = crowd(BUYERS, &[&one, &other]);
        let expectations = Expectations {
            final_status_read: true,
            ..player.expectations
        };
        let player = Player {
            expectations,
            ..player
        };
        let history = player.play(&sales, once(0..1, 0..BUYERS)).await?;
        ensure!(
            history.status_reads.len() >= 2 * BUYERS as usize,
            "statuses were not read"
        );
        let found = expect_right(&history, &sandbox.stores, WRITE_LIMIT).await?;
        ensure!(
            found.confirmed == i64::from(BUYERS),
            "{} confirmed",
            found.confirmed
        );
        Ok(())
    });
}
