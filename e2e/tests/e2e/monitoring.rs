use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::order::once;
use e2e::process::Process;
use e2e::until::until;
use monitoring::{KnownMetrics, missing};

use crate::fixture::{WRITE_LIMIT, all_work, in_a_sandbox, open_sales, orders};

const ORDERS: usize = 200;
/// Counters whose increase is an alert. Prometheus sees no increase in a series that starts with the first event.
const AT_ZERO: [&str; 7] = [
    "ingest_api_ledger_reads_total{outcome=\"unavailable\"}",
    "inventory_worker_orders_total{outcome=\"oversold\"}",
    "inventory_worker_orders_total{outcome=\"unknown_sale\"}",
    "inventory_worker_orders_total{outcome=\"fenced\"}",
    "inventory_worker_flush_retries_total{cause=\"timeout\"}",
    "inventory_worker_flush_retries_total{cause=\"connection\"}",
    "inventory_worker_flush_retries_total{cause=\"server\"}",
];

#[test]
fn every_metric_that_dashboards_and_alerts_read_is_exported_after_a_sale() {
    in_a_sandbox(async |sandbox| {
        let services = [sandbox.api().await?, sandbox.worker().await?];
        let [api, worker] = &services;
        all_work(&[worker]).await?;
        let fresh = metrics(&services).await?;
        for series in AT_ZERO {
            let line = format!("\n{series} 0\n");
            ensure!(
                fresh.contains(&line),
                "{series} is not 0 at the start:\n{fresh}"
            );
        }

        let sales = open_sales(api, 1, 2 * ORDERS as u32).await?;
        let orders = once(orders(&sales, 0..ORDERS));
        let history = Crowd::over(16, &[api]).send(orders)?.finish().await?;
        let stores = &sandbox.stores;
        stores.expect_right(&sales, &history, WRITE_LIMIT).await?;

        until("every metric is exported", WRITE_LIMIT, async || {
            let mut known = KnownMetrics::default();
            known.read(&metrics(&services).await?)?;
            let missing = missing(&known)?;
            ensure!(missing.is_empty(), "{missing:#?}");
            Ok(())
        })
        .await
    });
}

async fn metrics(services: &[Process]) -> Result<String> {
    let mut all = String::new();
    for service in services {
        all += &service.client()?.metrics().await?;
    }
    Ok(all)
}
