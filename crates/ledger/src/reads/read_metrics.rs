use std::time::Duration;

use fluxgate_service::metrics::CALL_SECONDS;

fluxgate_service::metrics! {
    struct LedgerReadMetrics;
    /// Duration of PostgreSQL reads in seconds, including the wait for a connection, by read.
    ledger_read_seconds: HistogramVec (CALL_SECONDS) ["read"] {"entry", "highest", "order"},
    /// PostgreSQL reads, by outcome: ok, unavailable (failed or timed out).
    ledger_reads_total: IntCounterVec ["outcome"] {"ok", "unavailable"},
}

impl LedgerReadMetrics {
    pub(super) fn observe(&self, read: &str, took: Duration, is_ok: bool) {
        self.ledger_read_seconds
            .with_label_values(&[read])
            .observe(took.as_secs_f64());
        let outcome = if is_ok { "ok" } else { "unavailable" };
        self.ledger_reads_total.with_label_values(&[outcome]).inc();
    }
}
