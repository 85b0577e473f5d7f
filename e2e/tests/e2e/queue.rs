use std::slice::from_ref;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::order::Sale;
use e2e::wait::wait_until;
use fluxgate_domain::ids::Tag;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::fixture::{WRITE_LIMIT, expect_right_audit, in_a_sandbox, rebuild, reconcile};

const SETTINGS: [(&str, &str); 2] = [
    ("SALE_FEATURES", "queue"),
    ("QUEUE_SECRETS", "0123456789abcdef0123456789abcdef"),
];

const TURN_LIMIT: Duration = Duration::from_secs(20);

/// Joins the queue, and orders in the turn.
async fn order(client: &Client, sale: &Sale) -> Result<()> {
    let (status, joined) = client.join_queue(&sale.product, "ada").await?;
    ensure!(status == 201, "{status} {joined}");
    let ticket = joined["ticket"].as_str().context("a ticket")?;
    wait_until("the turn begins", TURN_LIMIT, async || {
        let (_, place) = client.queue_place(&sale.product, ticket).await?;
        ensure!(place["turn"] == "open", "{place}");
        Ok(())
    })
    .await?;
    let (status, order) = client
        .order_with(&sale.product, "ada", "key", ticket)
        .await?;
    ensure!(status == 202, "{status} {order}");
    Ok(())
}

#[test]
fn a_rebuilt_sale_has_its_queue_again() {
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api_with(&SETTINGS), sandbox.worker())?;
        let client = api.client()?;
        let sale = Sale::unique("queued", 3)?;
        let opens_at = Timestamp::now() - 1.second();
        let queue = json!({"joinFrom": opens_at - 1.hour(), "admitPerSecond": 50, "overbook": 1});
        let terms = json!({"quantity": 3, "opensAt": opens_at, "perUserLimit": 1, "queue": queue});
        let (status, opened) = client.put_terms(&sale.product, &terms).await?;
        ensure!(status == 201, "{status} {opened}");
        order(&client, &sale).await?;
        let slower = json!({"admitPerSecond": 7, "paused": true});
        let (status, changed) = client.change_queue(&sale.product, "a", &slower).await?;
        ensure!(status == 200, "{status} {changed}");
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        expect_right_audit(sandbox).await?;

        let redis = &sandbox.stores.redis;
        let key = |kind: &str| format!("fg:{{{}}}:{kind}:{}", Tag::of(&sale.product), sale.product);
        let fields = async || -> Result<Vec<Option<String>>> {
            let [terms, start, change] = ["queue", "queue_started", "queue_changed"];
            redis
                .command(&["HMGET", &key("sale"), terms, start, change])
                .await
        };
        let written = fields().await?;
        ensure!(written.iter().all(Option::is_some), "{written:?}");
        for lost in ["queue", "joined"] {
            let deleted: i64 = redis.command(&["DEL", &key(lost)]).await?;
            ensure!(deleted == 1, "there was no {lost}");
            reconcile(sandbox, &["audit"], 1, "lost one of its keys").await?;
            rebuild(sandbox, from_ref(&sale), "2 units remaining").await?;
            expect_right_audit(sandbox).await?;
        }
        redis.flush().await?;
        rebuild(sandbox, from_ref(&sale), "2 units remaining").await?;
        let restored = fields().await?;
        ensure!(restored == written, "{restored:?}, before {written:?}");
        let (status, mut rebuilt) = client.put_terms(&sale.product, &terms).await?;
        let warned = rebuilt
            .as_object_mut()
            .context("a sale")?
            .remove("warnings");
        ensure!(status == 200 && warned.is_some(), "{status} {rebuilt}");
        ensure!(rebuilt == changed, "{rebuilt}, before {changed}");
        let (status, again) = client.change_queue(&sale.product, "a", &slower).await?;
        ensure!(status == 200 && again == changed, "{status} {again}");
        let restored = fields().await?;
        ensure!(restored == written, "{restored:?}, before {written:?}");
        expect_right_audit(sandbox).await
    });
}
