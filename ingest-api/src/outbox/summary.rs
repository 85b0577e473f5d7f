use jiff::Timestamp;

use crate::metrics::Metrics;
use fluxgate_gate::{OutboxEntry, OutboxPage};

/// What one sweep has seen of all sales together.
#[derive(Debug, Default)]
pub struct OutboxSummary {
    entries: u64,
    oldest: Option<Timestamp>,
    open: i64,
    units: i64,
    remaining: i64,
}

impl OutboxSummary {
    /// Adds a sale, by the first page of its outbox. `is_open` tells whether it takes orders.
    pub fn add(&mut self, first: &OutboxPage, is_open: bool) {
        self.entries += first.waiting;
        // Oldest first: of entries that say when, this is the first.
        let mut waiting = first.oldest.iter().chain(&first.entries);
        let since = waiting.find_map(OutboxEntry::since);
        self.oldest = self.oldest.into_iter().chain(since).min();
        if is_open {
            self.open += 1;
            self.units += first.total;
            self.remaining += first.remaining;
        }
    }

    /// Shows it in the metrics.
    pub fn show(&self, metrics: &Metrics, now: Timestamp) {
        let entries = i64::try_from(self.entries).unwrap_or(i64::MAX);
        metrics.outbox_entries.set(entries);
        let age = self
            .oldest
            .map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        metrics.outbox_oldest_seconds.set(age.max(0.0));
        metrics.open_sales.set(self.open);
        metrics.open_sales_units.set(self.units);
        metrics.open_sales_units_remaining.set(self.remaining);
    }
}
