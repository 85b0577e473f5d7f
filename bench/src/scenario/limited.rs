//! New orders of buyers with tokens, in a sale with holds and a limit per user that none of them reaches.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::process::changed;
use fluxgate_domain::ids::ProductId;
use serde_json::json;

use super::Bench;
use super::bench::told;
use crate::lab::{AUDIENCE, ISSUER, IdentityProvider, PLENTY, STOP_LIMIT};
use crate::load::{Requests, closed};
use crate::measure::Measurement;
use crate::measure::processes::Part;

/// Longest that the first order of each user may take.
const FIRST_ORDERS_LIMIT: Duration = Duration::from_secs(60);

/// Measures an instance of its own, which has verified each token before.
pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let (side, product) = (bench.side, bench.unique());
    let provider = IdentityProvider::new()?;
    let keys = side.sandbox.folder().join("jwks.json");
    fs::write(&keys, provider.jwks()?)?;
    let settings = changed(
        &side.settings,
        &[
            ("SALE_FEATURES", "holds"),
            ("AUTH_JWKS_FILE", &keys.to_string_lossy()),
            ("AUTH_ISSUER", ISSUER),
            ("AUTH_AUDIENCE", AUDIENCE),
        ],
    );
    let api = side.build.start("ingest-api", "limited", settings);
    let mut api = api.await?;
    let terms = json!({"quantity": PLENTY, "perUserLimit": PLENTY, "holdSeconds": 86_400});
    let (client, id) = (api.client()?, ProductId::parse(&product)?);
    let (status, sale) = client.put_terms(&id, &terms).await?;
    ensure!(status == 201, "opening {product}: {status} {sale}");

    let mut requests = Requests::orders(vec![product.clone()], &product);
    let users = 0..requests.users;
    let header = |user| {
        let token = provider.token(&format!("user-{user}"))?;
        Ok(format!("Authorization: Bearer {token}\r\n"))
    };
    requests.user_headers = users.map(header).collect::<Result<_>>()?;
    let first = Requests {
        run: format!("{product}-first"),
        count: requests.users,
        ..requests.clone()
    };
    let over = (api.address()?, bench.size() as usize);
    let tally = closed(over, FIRST_ORDERS_LIMIT, first).await?;
    ensure!(tally.errors == 0, "{:?}", tally.wrong);

    let limit = Duration::from_secs(bench.seconds().into());
    let mut watched = bench.watched()?;
    watched.add(Part::Api, api.pid());
    let measured = told(&watched, closed(over, limit, requests)).await?;
    api.stop(STOP_LIMIT).await?;
    Ok(measured)
}
