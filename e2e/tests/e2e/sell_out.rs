use anyhow::{Result, ensure};
use e2e::answer::Outcome;
use e2e::crowd::Crowd;
use e2e::order::{Attempt, Sale, racing};
use e2e::process::Process;
use e2e::sandbox::Sandbox;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const UNITS: u32 = 100;
const BUYERS: usize = 1_000;
const CONNECTIONS: usize = 96;
const ROUNDS: usize = 3;

#[test]
fn a_racing_crowd_gets_exactly_the_stock_there_is() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _workers = (sandbox.worker().await?, sandbox.worker().await?);
        sell_out(sandbox, &[&api]).await
    });
}

#[test]
fn two_copies_sell_one_stock_and_know_each_others_orders() {
    in_a_sandbox(async |sandbox| {
        let (one, other) = (sandbox.api().await?, sandbox.api().await?);
        let _workers = (sandbox.worker().await?, sandbox.worker().await?);
        sell_out(sandbox, &[&one, &other]).await
    });
}

/// Every buyer sends three times, the first two at once and to different copies.
async fn sell_out(sandbox: &Sandbox, copies: &[&Process]) -> Result<()> {
    for round in 1..=ROUNDS {
        let sale = Sale::unique("round", UNITS)?;
        copies[0].client()?.open(&sale).await?;
        let rush = Crowd::over(CONNECTIONS, copies).send(racing(&sale, BUYERS, |_| true))?;
        let history = rush.finish().await?;

        let undecided = history.count(Outcome::is_undecided);
        ensure!(
            undecided == 0,
            "round {round}: {undecided} requests without an answer"
        );
        let accepted = history.count(|outcome| outcome.order_id().is_some());
        let expected = 3 * usize::try_from(UNITS)?;
        ensure!(
            accepted == expected,
            "round {round}: {accepted} times 202, should be {expected}"
        );
        sandbox
            .stores
            .expect_right(&[sale], &history, WRITE_LIMIT)
            .await?;
    }
    Ok(())
}

#[test]
fn one_key_over_64_connections_is_one_order() {
    const REQUESTS: usize = 640;

    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _worker = sandbox.worker().await?;
        let sale = Sale::unique("one", UNITS)?;
        api.client()?.open(&sale).await?;

        let order = sale.order_of(1);
        let same = std::iter::repeat_n(Attempt { order, copy: 0 }, REQUESTS);
        let history = Crowd::over(64, &[&api]).send(same)?.finish().await?;

        let first = |it: &Outcome| {
            matches!(
                it,
                Outcome::Accepted {
                    replayed: false,
                    ..
                }
            )
        };
        let again = |it: &Outcome| matches!(it, Outcome::Accepted { replayed: true, .. });
        let counts = (history.count(first), history.count(again));
        ensure!(
            counts == (1, REQUESTS - 1),
            "(first, replayed) = {counts:?}"
        );
        // One order, one row, one unit.
        sandbox
            .stores
            .expect_right(&[sale], &history, WRITE_LIMIT)
            .await
    });
}
