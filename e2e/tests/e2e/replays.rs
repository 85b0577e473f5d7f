use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::order::{Sale, once, racing};
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use serde_json::json;

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
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await?;

        read_again(sandbox, &mut worker, &sales).await?;
        sandbox
            .stores
            .expect_right(&sales, &history, WRITE_LIMIT)
            .await
    });
}

#[test]
fn an_empty_database_is_filled_from_the_topic_alone() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let mut worker = sandbox.worker().await?;
        let (client, sales) = (api.client()?, open_sales(&api, 3, 200).await?);
        let early = Crowd::over(16, &[&api]).send(once(orders(&sales, 0..450)))?;
        let early = early.finish().await?;
        let regretted = early
            .answers()
            .iter()
            .filter_map(|it| it.outcome.order_id());
        for id in regretted.take(20) {
            let cancel = format!("/orders/{id}/cancel");
            let (status, answer) = client.change(&cancel, "-", &json!({})).await?;
            ensure!(status == 200, "{answer}");
        }
        let more = (
            format!("/products/{}/restock", sales[0].product),
            json!({"quantity": 30}),
        );
        let end = (format!("/products/{}/close", sales[1].product), json!({}));
        for (path, body) in [more, end] {
            let (status, answer) = client.change(&path, "key", &body).await?;
            ensure!(status == 200, "{answer}");
        }
        // A fence in the middle, too, and orders behind it.
        let rebuilt = sandbox
            .reconcile(&["rebuild", sales[2].product.as_str()])
            .await?;
        ensure!(rebuilt.code == 0, "{}", rebuilt.text);
        let late = Crowd::over(16, &[&api]).send(once(orders(&sales, 450..900)))?;
        late.finish().await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let before = sandbox.stores.database.contents().await?;

        worker.kill()?;
        sandbox.stores.database.forget_everything().await?;
        worker.restart().await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let after = sandbox.stores.database.contents().await?;
        ensure!(after == before, "{}", first_difference(&before, &after));
        let audit = sandbox.reconcile(&["audit"]).await?;
        ensure!(audit.code == 0, "{}", audit.text);
        Ok(())
    });
}

/// Lets the only worker that runs read the whole topic from its beginning. Not a byte of the
/// tables may change.
pub async fn read_again(sandbox: &Sandbox, worker: &mut Process, sales: &[Sale]) -> Result<()> {
    let before = sandbox.stores.database.contents().await?;
    worker.kill()?;
    sandbox.stores.database.forget_positions().await?;
    worker.restart().await?;
    sandbox.stores.drained(sales, WRITE_LIMIT).await?;

    let after = sandbox.stores.database.contents().await?;
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
