use std::time::Duration;

/// Seconds: from a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

fluxgate_service::metrics! {
    struct LedgerReadMetrics;
    /// Duration of PostgreSQL reads in seconds, including the wait for a connection, by read.
    ledger_read_seconds: HistogramVec (SECONDS) ["read"] {"entry", "highest", "order"},
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
