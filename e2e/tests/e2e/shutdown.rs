use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::order::once;
use e2e::process::Process;

use crate::crashes::retry_the_undecided;
use crate::fixture::{all_work, in_a_sandbox, open_sales, orders};

/// Well below `SHUTDOWN_TIMEOUT_SECONDS`, after which a service would be cut off, with code 0 too.
const STOP_LIMIT: Duration = Duration::from_secs(15);

const ORDERS: usize = 20_000;

#[test]
fn services_that_are_told_to_stop_under_load_lose_nothing() {
    in_a_sandbox(async |sandbox| {
        let mut api = sandbox.api().await?;
        let (mut leaver, stayer) = (sandbox.worker().await?, sandbox.worker().await?);
        all_work(&[&leaver, &stayer]).await?;
        let sales = open_sales(&api, 24, 1_000).await?;

        let crowd = Crowd::over(64, &[&api]).at(4_000);
        let rush = crowd.send(once(orders(&sales, 0..ORDERS)))?;
        rush.answered(ORDERS / 4).await?;
        ends_well(&mut leaver).await?;
        rush.answered(ORDERS / 2).await?;
        ends_well(&mut api).await?;
        api.restart().await?;
        let history = rush.finish().await?;

        sandbox
            .stores
            .expect_right(&sales, &history, Duration::from_secs(30))
            .await?;
        retry_the_undecided(sandbox, &api, &sales, history).await
    });
}

async fn ends_well(service: &mut Process) -> Result<()> {
    let status = service.terminate(STOP_LIMIT).await?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}
