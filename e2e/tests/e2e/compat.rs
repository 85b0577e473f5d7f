use std::collections::HashMap;
use std::slice::from_ref;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::order::{Sale, unique};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const UNITS: usize = 50;
const BUYERS: usize = 300;
const CONNECTIONS: usize = 64;
const WAITING_ROOM: &str = "https://example.com/wait";

#[test]
fn clients_of_the_original_get_its_answers_and_exactly_the_stock() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api_with(&[("COMPAT_ROUTES", "on")]).await?;
        let _worker = sandbox.worker().await?;
        let (client, product) = (api.client()?, unique("original"));

        for _ in 0..2 {
            let answer = init(&client, &product, UNITS).await?;
            let is_ok = answer.0 == 200 && answer.1["status"] == "ok";
            ensure!(is_ok, "init: {answer:?}");
        }
        let other = init(&client, &product, UNITS + 1).await?;
        ensure!(other.0 == 409, "init with another quantity: {other:?}");

        let mut buyers: HashMap<usize, Vec<String>> = HashMap::new();
        for (buyer, _, body) in order_all_twice(&client, &product).await? {
            let text = body["status"].as_str().context("a status")?;
            buyers.entry(buyer).or_default().push(text.to_owned());
        }
        let mut winners = 0;
        for (buyer, mut answers) in buyers {
            answers.sort();
            let won = answers == ["ignored", "success"];
            let lost = answers == ["sold_out", "sold_out"];
            ensure!(won || lost, "buyer {buyer} was answered {answers:?}");
            winners += usize::from(won);
        }
        ensure!(winners == UNITS, "success {winners} times");

        let sale = Sale::of(product.parse()?, u32::try_from(UNITS)?);
        sandbox.stores.drained(from_ref(&sale), WRITE_LIMIT).await?;
        let contents = sandbox.stores.contents(&sale).await?;
        let sold = contents.ledger.context("a ledger row")?.sold;
        let counts = (contents.rows.len(), usize::try_from(sold)?);
        ensure!(counts == (UNITS, UNITS), "(rows, sold) = {counts:?}");
        Ok(())
    });
}

#[test]
fn buyers_who_come_too_fast_are_sent_to_the_waiting_room_of_the_original() {
    in_a_sandbox(async |sandbox| {
        let settings = [
            ("COMPAT_ROUTES", "on"),
            ("COMPAT_RATE_PER_SECOND", "20"),
            ("COMPAT_WAITING_ROOM_URL", WAITING_ROOM),
        ];
        let api = sandbox.api_with(&settings).await?;
        let _worker = sandbox.worker().await?;
        let (client, product) = (api.client()?, unique("original"));
        init(&client, &product, UNITS).await?;

        let mut redirected = 0;
        for (_, status, body) in order_all_twice(&client, &product).await? {
            if status == 302 {
                ensure!(body == WAITING_ROOM, "sent to {body}");
                redirected += 1;
            }
        }
        ensure!(redirected > 0, "no buyer was sent to the waiting room");
        Ok(())
    });
}

async fn init(client: &Client, product: &str, units: usize) -> Result<(u16, Value)> {
    let stock = json!({"productId": product, "quantity": units});
    client.post_as_original("/init", None, &stock).await
}

/// The requests of the original's k6 script, each twice at the same time. All answers pass the script's check.
async fn order_all_twice(client: &Client, product: &str) -> Result<Vec<(usize, u16, Value)>> {
    let requests = (0..BUYERS).flat_map(|buyer| [buyer, buyer]);
    let answers = stream::iter(requests).map(|buyer| async move {
        let order = json!({"productId": product, "userId": format!("user_{buyer}")});
        let key = Some(format!("original-{buyer}"));
        let answer = client.post_as_original("/order", key.as_deref(), &order);
        let (status, body) = answer.await?;
        ensure!([200, 302, 409].contains(&status), "{status} {body}");
        anyhow::Ok((buyer, status, body))
    });
    answers.buffer_unordered(CONNECTIONS).try_collect().await
}
