use anyhow::{Context, Result, ensure};
use e2e::load::{once, racing};
use e2e::order::{Action, Sale};
use e2e::process::Process;
use e2e::sandbox::Sandbox;

use crate::fixture::{
    WRITE_LIMIT, crowd, expect_right, expect_right_audit, in_a_sandbox, open_sales, rebuild,
};

#[test]
fn reading_the_whole_topic_again_changes_nothing() {
    in_a_sandbox(async |sandbox| {
        let mut api = sandbox.api().await?;
        let mut worker = sandbox.worker().await?;
        let sales = open_sales(&api, 8, 500).await?;
        // Some sell out, some do not, and after a crash some events are twice on the topic.
        let running = crowd(64, &[&api]).start(&sales, once(1..8, 0..3_000))?;
        running.answered(1_000).await?;
        api.kill()?;
        api.restart().await?;
        let mut history = running.finish().await?;
        let sold_out = racing(0, 1_000, |_| true);
        history.extend(crowd(64, &[&api]).play(&sales, sold_out).await?)?;
        expect_right(sandbox, &history).await?;

        read_topic_again(sandbox, &mut worker, &sales).await?;
        expect_right(sandbox, &history).await.map(drop)
    });
}

#[test]
fn an_empty_database_is_filled_from_the_topic_alone() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let (client, sales) = (api.client()?, open_sales(&api, 3, 200).await?);
        let early = crowd(16, &[&api]).play(&sales, once(0..3, 0..450)).await?;
        for it in early.orders().take(20) {
            let (sale, id) = (&sales[usize::from(it.request.sale)], it.order_id());
            let cancel = Action::Cancel(id.context("an order was not placed")?);
            client.expect_done(sale, cancel).await?;
        }
        let (number, units) = (0, 30);
        let more = Action::Restock { number, units };
        client.expect_done(&sales[0], more).await?;
        client.expect_done(&sales[1], Action::Close).await?;
        // A fence record too, and orders behind it.
        rebuild(sandbox, &sales[2..], "").await?;
        let late = once(0..3, 450..900);
        crowd(16, &[&api]).play(&sales, late).await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let before = sandbox.stores.postgres.dump().await?;

        worker.kill()?;
        sandbox.stores.postgres.truncate().await?;
        worker.restart().await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        expect_same_tables(&before, &sandbox.stores.postgres.dump().await?)?;
        expect_right_audit(sandbox).await
    });
}

/// Lets the only worker that runs read the whole topic from its beginning. Not a byte of the tables
/// may change.
async fn read_topic_again(sandbox: &Sandbox, worker: &mut Process, sales: &[Sale]) -> Result<()> {
    const DUPLICATES: &str = r#"inventory_worker_orders_total{outcome="duplicate"}"#;
    let postgres = &sandbox.stores.postgres;
    let before = postgres.dump().await?;
    worker.kill()?;
    postgres.reset_positions().await?;
    worker.restart().await?;
    sandbox.stores.drained(sales, WRITE_LIMIT).await?;
    expect_same_tables(&before, &postgres.dump().await?)?;
    let orders = before.lines().filter(|it| it.starts_with("order "));
    let orders = orders.count();
    let duplicates = worker.metric(DUPLICATES).await?;
    ensure!(
        duplicates >= orders as f64,
        "only {duplicates} of {orders} orders were read again"
    );
    Ok(())
}

/// # Errors
/// With the first difference.
fn expect_same_tables(before: &str, after: &str) -> Result<()> {
    let mut lines = before.lines().zip(after.lines());
    let difference = lines.find(|(before, after)| before != after);
    let counts = (before.lines().count(), after.lines().count());
    ensure!(
        before == after,
        "(lines before, after) = {counts:?}; first difference: {difference:?}"
    );
    Ok(())
}
