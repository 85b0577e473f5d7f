use std::iter::repeat_n;

use anyhow::ensure;
use e2e::answer::Response;
use e2e::load::{Attempt, racing};

use crate::fixture::{crowd, expect_right, in_a_sandbox, open_sales};

const UNITS: u32 = 100;
const BUYERS: u32 = 1_000;
const CONNECTIONS: u32 = 96;
const ROUNDS: usize = 3;

/// Every buyer sends three times, the first two at once and, where there are two, to different instances.
#[test]
fn a_racing_crowd_gets_exactly_the_stock_from_one_instance_and_from_two() {
    in_a_sandbox(async |sandbox| {
        let (one, other) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let _workers = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
        for instances in [&[&one][..], &[&one, &other]].repeat(ROUNDS) {
            let sales = open_sales(&one, 1, UNITS).await?;
            let player = crowd(CONNECTIONS, instances);
            let history = player.play(&sales, racing(0, BUYERS, |_| true)).await?;
            let undecided = history.count(Response::is_undecided);
            let counts = (undecided, history.order_ids().count());
            ensure!(
                counts == (0, 300),
                "{} instances: {counts:?}",
                instances.len()
            );
            expect_right(sandbox, &history).await?;
        }
        Ok(())
    });
}

#[test]
fn one_key_over_64_connections_is_one_order() {
    const REQUESTS: usize = 640;
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let sales = open_sales(&api, 1, UNITS).await?;
        let same = repeat_n(Attempt::order(0, 1, 0), REQUESTS);
        let history = crowd(64, &[&api]).play(&sales, same).await?;
        let count =
            |replayed| history.count(|it| it.order().is_some_and(|it| it.replayed == replayed));
        let (first, replayed) = (count(false), count(true));
        ensure!((first, replayed) == (1, REQUESTS - 1), "{first} first");
        // One order, one row, one unit.
        let found = expect_right(sandbox, &history).await?;
        let rows = found.counted("PostgreSQL: rows");
        ensure!(rows == 1, "{rows} rows");
        Ok(())
    });
}
