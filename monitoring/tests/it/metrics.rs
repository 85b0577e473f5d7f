use monitoring::{Known, missing};

use crate::declared;

/// What a service has beside what it declares: see `fluxgate-core/src/metrics`, `fluxgate-postgres`.
const OF_EVERY_SERVICE: &str = "
    process_cpu_seconds_total
    process_cpu_limit_cores
    process_max_fds
    process_memory_limit_bytes
    process_open_fds
    process_resident_memory_bytes
    process_start_time_seconds
    ingest_api_postgres_connections{state=\"\"}
    ingest_api_postgres_connections_max
    ingest_api_postgres_connections_waiting
    inventory_worker_postgres_connections{state=\"\"}
    inventory_worker_postgres_connections_max
    inventory_worker_postgres_connections_waiting
";

pub fn services() -> Known {
    let mut known = declared::all();
    known.read(OF_EVERY_SERVICE);
    known
}

#[test]
fn every_metric_that_a_dashboard_or_an_alert_asks_for_exists() {
    assert_eq!(missing(&services()).unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_told() {
    let told = missing(&Known::default()).unwrap();
    assert!(
        told.iter()
            .any(|it| it.contains("there is no metric ingest_api_orders_total")),
        "{told:#?}"
    );
}
