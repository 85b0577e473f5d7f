//! A sale with a queue, and an instance that serves it.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::process::{Process, changed};
use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Bench;
use crate::lab::PLENTY;
use crate::measure::processes::{Part, Watched};

const SECRET: &str = "a secret that only benchmarks use";

pub struct QueuedSale {
    pub api: Process,
    pub product: ProductId,
    opens_at: Timestamp,
}

impl QueuedSale {
    /// Opens a sale that nobody can sell out, on an instance of its own. `queue` are the terms of its queue.
    pub async fn open(bench: &Bench<'_>, starts_in: Duration, queue: Value) -> Result<Self> {
        let side = bench.side;
        let own = [("SALE_FEATURES", "queue"), ("QUEUE_SECRETS", SECRET)];
        let settings = changed(&side.settings, &own);
        let api = side.build.start("ingest-api", "queue", settings).await?;
        let opens_at = Timestamp::now().checked_add(starts_in)?;
        let sale = Self {
            api,
            product: ProductId::parse(&bench.unique())?,
            opens_at: Timestamp::from_millisecond(opens_at.as_millisecond())?,
        };
        let terms = json!({
            "quantity": PLENTY, "perUserLimit": PLENTY, "opensAt": sale.opens_at, "queue": queue,
        });
        let client = sale.api.client()?;
        let (status, view) = client.put_terms(&sale.product, &terms).await?;
        ensure!(status == 201, "opening {}: {status} {view}", sale.product);
        Ok(sale)
    }

    pub async fn started(&self) -> Result<()> {
        let until = self.opens_at.duration_since(Timestamp::now());
        sleep(Duration::try_from(until).unwrap_or_default()).await;
        Ok(())
    }

    /// The state of the queue.
    pub async fn state(&self) -> Result<Value> {
        let (status, state) = self.api.client()?.queue_state(&self.product).await?;
        ensure!(status == 200, "{status} {state}");
        Ok(state)
    }

    /// The stores, this program, the bare handler and the instance of this sale alone.
    pub fn watched(&self, bench: &Bench<'_>) -> Result<Watched> {
        let mut watched = bench.lab.watched_stores()?;
        watched.add(Part::Api, self.api.pid());
        watched.add(Part::Bare, bench.side.bare.pid());
        Ok(watched)
    }
}
