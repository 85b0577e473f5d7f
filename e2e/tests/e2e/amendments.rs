use std::slice::from_ref;

use anyhow::{Result, ensure};
use e2e::client::Client;
use e2e::order::Sale;
use e2e::sandbox::Sandbox;
use e2e::wait::wait_until;
use serde_json::{Value, json};

use crate::fixture::{WRITE_LIMIT, expect_right_audit, in_a_sandbox, rebuild};
use crate::reconciler::order;

const SETTINGS: [(&str, &str); 2] = [("SALE_AMENDMENTS", "on"), ("SALE_FEATURES", "limits")];

#[test]
fn a_rebuilt_sale_has_the_terms_it_was_amended_to() {
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api_with(&SETTINGS), sandbox.worker())?;
        let client = api.client()?;
        let sale = Sale::unique("amended", 3)?;
        let wrong = json!({"quantity": 3, "opensAt": "2100-01-01T00:00:00Z", "perUserLimit": 3});
        put(&client, &sale, &wrong, 201).await?;
        let right = json!({"quantity": 3, "perUserLimit": 2, "ordersPerSecond": 1_000_000});
        let amended = put(&client, &sale, &right, 200).await?;
        until_written(sandbox, &sale, 2).await?;
        let id = order(&client, &sale, 0).await?;
        expect_right_audit(sandbox).await?;

        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        sandbox.stores.redis.flush().await?;
        rebuild(sandbox, from_ref(&sale), "2 units remaining").await?;
        let again = order(&client, &sale, 0).await?;
        ensure!(again == id, "the time in the ids is another one");
        let mut rebuilt = put(&client, &sale, &right, 200).await?;
        ensure!(rebuilt["remaining"] == 2, "{rebuilt}");
        rebuilt["remaining"] = amended["remaining"].clone();
        ensure!(rebuilt == amended, "{rebuilt}, before {amended}");
        put(&client, &sale, &wrong, 409).await?;
        expect_right_audit(sandbox).await
    });
}

/// Asks for these terms; returns the sale, or the problem.
async fn put(client: &Client, sale: &Sale, terms: &Value, expected: u16) -> Result<Value> {
    let (status, body) = client.put_terms(&sale.product, terms).await?;
    ensure!(status == expected, "{status} {body}");
    Ok(body)
}

/// Waits until PostgreSQL has this limit per user.
async fn until_written(sandbox: &Sandbox, sale: &Sale, limit: u32) -> Result<()> {
    let product = &sale.product;
    let check = format!(
        "DO $$ BEGIN PERFORM FROM stock_ledger WHERE product_id = '{product}' AND per_user_limit = {limit}
             AND terms ->> 'perUserLimit' = '{limit}' AND id_time <> opens_at;
         IF NOT FOUND THEN RAISE 'not written'; END IF; END $$"
    );
    wait_until("the amendment is written", WRITE_LIMIT, async || {
        sandbox.stores.postgres.execute(&check).await
    })
    .await
}
