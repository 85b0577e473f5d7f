use std::time::Duration;

use fluxgate_ledger::{LedgerReadMetrics, LedgerReader, ReaderSettings};
use fluxgate_service::settings::refuse;
use prometheus::Registry;

use super::SERVICE;
use crate::config::Config;

/// The reader of PostgreSQL, if a setting says where that is.
pub fn ledger(config: &Config, registry: &Registry) -> Option<LedgerReader> {
    let metrics = LedgerReadMetrics::register(registry, SERVICE);
    let settings = &config.ledger;
    let (variable, url) = match (&settings.read_database_url, &settings.database_url) {
        (Some(url), _) => ("READ_DATABASE_URL", url),
        (None, Some(url)) => ("DATABASE_URL", url),
        (None, None) if config.sales.sale_features.unwrap_or_default().holds => refuse(
            "SALE_FEATURES",
            "`holds` needs READ_DATABASE_URL or DATABASE_URL: without them no order would expire",
        ),
        (None, None) => {
            tracing::warn!(
                "neither READ_DATABASE_URL nor DATABASE_URL is set; order statuses stop at `accepted`"
            );
            return None;
        }
    };
    let reader = ReaderSettings {
        url,
        ca_certificates: settings.database_ca_file.as_ref(),
        application_name: "ingest-api",
        connections: settings.read_database_connections.into(),
        timeout: Duration::from_millis(settings.read_database_timeout_ms),
    };
    let ledger = LedgerReader::connect(reader, metrics);
    let ledger = ledger.unwrap_or_else(|error| refuse(variable, error));
    ledger.register_metrics(registry, SERVICE);
    Some(ledger)
}
