use anyhow::{Result, ensure};
use e2e::load::once;
use e2e::process::Process;
use e2e::wait::wait_until;
use monitoring::missing;

use crate::fixture::{WRITE_LIMIT, crowd, expect_right, in_a_sandbox, open_sales, workers};

/// Counters whose increase is an alert. Prometheus sees no increase in a series that starts with the first event.
const AT_ZERO: [&str; 8] = [
    "ingest_api_ledger_reads_total{outcome=\"unavailable\"}",
    "inventory_worker_orders_total{outcome=\"oversold\"}",
    "inventory_worker_orders_total{outcome=\"unknown_sale\"}",
    "inventory_worker_orders_total{outcome=\"fenced\"}",
    "inventory_worker_log_checks_total{outcome=\"undecided\"}",
    "inventory_worker_flush_retries_total{cause=\"timeout\"}",
    "inventory_worker_flush_retries_total{cause=\"connection\"}",
    "inventory_worker_flush_retries_total{cause=\"server\"}",
];

#[test]
fn every_metric_that_dashboards_and_alerts_read_is_exported_after_a_sale() {
    in_a_sandbox(async |sandbox| {
        let [worker] = workers(sandbox).await?;
        let services = [sandbox.api().await?, worker];
        let api = &services[0];
        let fresh = metrics(&services).await?;
        for series in AT_ZERO {
            let line = format!("\n{series} 0\n");
            ensure!(fresh.contains(&line), "{series} is not 0:\n{fresh}");
        }

        let sales = open_sales(api, 1, 400).await?;
        let history = crowd(16, &[api]).play(&sales, once(0..1, 0..200)).await?;
        expect_right(sandbox, &history).await?;

        wait_until("every metric is exported", WRITE_LIMIT, async || {
            let missing = missing(&metrics(&services).await?)?;
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
