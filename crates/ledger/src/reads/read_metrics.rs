use std::time::Duration;

use fluxgate_service::metrics::CALL_SECONDS;

fluxgate_service::metrics! {
    struct LedgerReadMetrics;
    /// Duration of PostgreSQL reads in seconds, including the wait for a connection, by read. One read may be for many orders or sales.
    ledger_read_seconds: HistogramVec (CALL_SECONDS) ["read"] {"entries", "highest", "orders"},
    /// PostgreSQL reads, by outcome: ok, unavailable (failed or timed out). One read may be for many orders or sales.
    ledger_reads_total: IntCounterVec ["outcome"] {"ok", "unavailable"},
    /// 1 while PostgreSQL is unavailable for reads: they fail at once, except one per 100 ms. By class: known (Redis has the order or sale), unknown.
    ledger_outage: IntGaugeVec ["class"] {"known", "unknown"},
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
