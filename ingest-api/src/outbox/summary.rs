use fluxgate_gate::{OutboxEntry, OutboxPage};
use jiff::Timestamp;

use crate::metrics::Metrics;

/// Outboxes and open sales, as one pass of the relay has seen them.
#[derive(Debug, Default)]
pub struct OutboxSummary {
    entries: u64,
    oldest: Option<Timestamp>,
    incomplete_sales: i64,
    open_sales: i64,
    open_sales_units: i64,
    open_sales_units_remaining: i64,
}

impl OutboxSummary {
    /// Adds a sale, given the first page of its outbox. `is_open`: the sale takes orders.
    pub fn add(&mut self, first: &OutboxPage, is_open: bool) {
        self.entries += first.waiting;
        // Entries are sorted by age, but not all have a time.
        let mut entries = first.oldest.iter().chain(&first.entries);
        let since = entries.find_map(OutboxEntry::since);
        self.oldest = self.oldest.into_iter().chain(since).min();
        self.incomplete_sales += i64::from(first.is_lost);
        if is_open {
            self.open_sales += 1;
            self.open_sales_units += first.total;
            self.open_sales_units_remaining += first.remaining;
        }
    }

    /// Sets the metrics.
    pub fn show(&self, metrics: &Metrics, now: Timestamp) {
        let entries = i64::try_from(self.entries).unwrap_or(i64::MAX);
        metrics.outbox_entries.set(entries);
        let age = self
            .oldest
            .map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        metrics.outbox_oldest_seconds.set(age.max(0.0));
        metrics.sales_incomplete.set(self.incomplete_sales);
        metrics.open_sales.set(self.open_sales);
        metrics.open_sales_units.set(self.open_sales_units);
        let remaining = self.open_sales_units_remaining;
        metrics.open_sales_units_remaining.set(remaining);
    }
}
