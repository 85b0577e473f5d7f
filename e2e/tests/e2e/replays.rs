use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::order::{Sale, once, racing};
use e2e::process::Process;
use e2e::sandbox::Sandbox;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox, open_sales, orders};

const DUPLICATES: &str = r#"inventory_worker_orders_total{outcome="duplicate"}"#;

#[test]
fn reading_the_whole_topic_again_changes_nothing() {
    in_a_sandbox(async |sandbox| {
        let mut api = sandbox.api().await?;
        let mut worker = sandbox.worker().await?;
        let sales = open_sales(&api, 8, 500).await?;
        // Some sold out, some not, and with a crash some events stand twice on the topic.
        let rush = Crowd::over(64, &[&api]).send(once(orders(&sales[1..], 0..3_000)))?;
        rush.answered(1_000).await?;
        api.kill()?;
        api.restart().await?;
        let mut history = rush.finish().await?;
        let sold_out = Crowd::over(64, &[&api]).send(racing(&sales[0], 1_000, |_| true))?;
        history.extend(sold_out.finish().await?);
        sandbox.expect_right(&sales, &history, WRITE_LIMIT).await?;

        read_again(sandbox, &mut worker, &sales).await?;
        sandbox.expect_right(&sales, &history, WRITE_LIMIT).await
    });
}

/// Lets the only worker that runs read the whole topic from its beginning. Not a byte of the
/// tables may change.
pub async fn read_again(sandbox: &Sandbox, worker: &mut Process, sales: &[Sale]) -> Result<()> {
    let before = sandbox.database.contents().await?;
    worker.kill()?;
    sandbox.database.forget_positions().await?;
    worker.restart().await?;
    sandbox.drained(sales, WRITE_LIMIT).await?;

    let after = sandbox.database.contents().await?;
    ensure!(after == before, "{}", first_difference(&before, &after));
    let orders = before
        .lines()
        .filter(|line| line.starts_with("order "))
        .count();
    let known = worker.metric(DUPLICATES).await?;
    ensure!(
        known >= orders as f64,
        "only {known} of {orders} orders were read again"
    );
    Ok(())
}

fn first_difference(before: &str, after: &str) -> String {
    let lines = before.lines().zip(after.lines());
    let differing = lines.filter(|(before, after)| before != after).take(1);
    let differing: Vec<_> = differing.collect();
    let counts = (before.lines().count(), after.lines().count());
    format!("(lines before, after) = {counts:?}; first difference: {differing:?}")
}

#[test]
fn a_difference_between_two_readings_is_found() -> Result<()> {
    ensure!(first_difference("a\nb", "a\nc").contains(r#"[("b", "c")]"#));
    Ok(())
}
