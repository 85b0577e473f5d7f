use std::time::Duration;

use anyhow::ensure;
use e2e::crowd::Crowd;
use e2e::order::once;

use crate::fixture::{WRITE_LIMIT, all_work, in_a_sandbox, open_sales, orders};

const ORDERS: usize = 20_000;

#[test]
fn workers_join_and_leave_under_load_and_every_order_is_written_once() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let mut first = sandbox.worker().await?;
        let sales = open_sales(&api, 24, 1_000).await?;

        let crowd = Crowd::over(64, &[&api]).at(2_000);
        let rush = crowd.send(once(orders(&sales, 0..ORDERS)))?;
        rush.answered(ORDERS / 10).await?;
        let (mut second, third) = tokio::try_join!(sandbox.worker(), sandbox.worker())?;
        all_work(&[&first, &second, &third]).await?;
        rush.answered(ORDERS / 2).await?;
        for leaver in [&mut first, &mut second] {
            let status = leaver.terminate(Duration::from_secs(15)).await?;
            ensure!(status.success(), "a worker ended with {status}");
        }
        let history = rush.finish().await?;

        let accepted = history.count(|outcome| outcome.order_id().is_some());
        ensure!(accepted == ORDERS, "{accepted} of {ORDERS} orders accepted");
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await?;
        let left = third.metric("inventory_worker_partitions_assigned").await?;
        let all = sandbox.stores.log.ends().await?.len();
        ensure!(
            left == all as f64,
            "the last worker has {left} of {all} partitions"
        );
        Ok(())
    });
}
