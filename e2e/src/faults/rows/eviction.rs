//! Redis evicts keys of sales that run.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Environment, LIMIT, redis};
use crate::answer::Status;
use crate::order::{Sale, user_id};
use crate::stores::{sale_key, sale_keys};
use crate::wait::wait_until;

/// The index of the relay. Sales go on without it.
const INDEX: &str = "fg:sales";
const BUYER: u32 = 1;

/// Deletes a key of every sale, one after the other in an order that the seed decides. Without it, no sale takes an order
/// until it is rebuilt. One more sale has a limit of one unit per user, which its only buyer has.
pub async fn evict_each_key(env: &mut Environment) -> Result<()> {
    let limited = Sale::unique("limited", 100)?;
    let client = env.apis[0].client()?;
    let terms = json!({"quantity": limited.total, "perUserLimit": 1});
    client.put_terms(&limited.product, &terms).await?;
    wait_until("an order is confirmed", LIMIT, async || {
        let response = client.order(&limited, BUYER).await;
        let status = response.order().map(|it| it.status);
        ensure!(status == Some(Status::Confirmed), "{response:?}");
        Ok(())
    })
    .await?;
    env.sales.push(limited.clone());
    let expect_refused = async |user: &str, code: &str| {
        let order = json!({"productId": limited.product, "userId": user, "quantity": 1});
        let answer = client.post_as_original("/orders", Some("another"), &order);
        let (_, problem) = answer.await?;
        ensure!(problem["code"] == code, "not {code}: {problem}");
        Ok(())
    };
    let all = ["sale", "orders", "outbox", "users", INDEX];
    let mut keys = Vec::from_iter(all.into_iter().enumerate());
    env.rng.shuffle(&mut keys);
    for (number, name) in keys {
        for Sale { product, .. } in &env.sales {
            let redis = &env.sandbox.stores.redis;
            let opens_at = redis
                .command(&["HGET", &sale_key(product), "opens_at"])
                .await?;
            let keys = sale_keys(product, opens_at);
            let key = keys.get(number).map_or(INDEX, String::as_str);
            redis.command::<()>(&["DEL", key]).await?;
        }
        env.mark(&format!("{name} deleted"));
        if name != INDEX {
            expect_refused("new", "unavailable").await?;
        }
        env.wait_ms(200..1_000).await;
        redis::rebuild(env).await?;
        expect_refused(&user_id(BUYER), "user_limit_reached").await?;
    }
    // The clients do not know it.
    env.sales.pop();
    Ok(())
}
