use anyhow::ensure;
use e2e::load::check::expect_right;
use e2e::load::{once, racing};
use e2e::order::Sale;
use serde_json::json;

use crate::fixture::{
    WRITE_LIMIT, crowd, expect_same_tables, in_a_sandbox, open_sales, read_topic_again,
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
        expect_right(&history, &sandbox.stores, WRITE_LIMIT).await?;

        read_topic_again(sandbox, &mut worker, &sales).await?;
        expect_right(&history, &sandbox.stores, WRITE_LIMIT)
            .await
            .map(drop)
    });
}

#[test]
fn an_empty_database_is_filled_from_the_topic_alone() {
    in_a_sandbox(async |sandbox| {
        let (api, mut worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let (client, sales) = (api.client()?, open_sales(&api, 3, 200).await?);
        let early = crowd(16, &[&api]).play(&sales, once(0..3, 0..450)).await?;
        let mut changes = Vec::new();
        for id in early.order_ids().take(20) {
            changes.push((format!("/orders/{id}/cancel"), json!({})));
        }
        let path = |sale: &Sale, what| format!("/products/{}/{what}", sale.product);
        changes.push((path(&sales[0], "restock"), json!({"quantity": 30})));
        changes.push((path(&sales[1], "close"), json!({})));
        for (path, body) in &changes {
            client.expect_change(path, "key", body).await?;
        }
        // A fence record too, and orders behind it.
        let rebuilt = sandbox
            .reconcile(&["rebuild", sales[2].product.as_str()])
            .await?;
        ensure!(rebuilt.code == 0, "{}", rebuilt.text);
        crowd(16, &[&api])
            .play(&sales, once(0..3, 450..900))
            .await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        let before = sandbox.stores.postgres.dump().await?;

        worker.kill()?;
        sandbox.stores.postgres.truncate().await?;
        worker.restart().await?;
        sandbox.stores.drained(&sales, WRITE_LIMIT).await?;
        expect_same_tables(&before, &sandbox.stores.postgres.dump().await?)?;
        let audit = sandbox.reconcile(&["audit"]).await?;
        ensure!(audit.code == 0, "{}", audit.text);
        Ok(())
    });
}
