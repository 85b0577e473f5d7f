use fluxgate_gate::{OutboxEvent, OutboxPage};
use fluxgate_service::metrics::QueriedGauge;
use jiff::Timestamp;

use crate::metrics::Metrics;

/// Outboxes and open sales, as one pass of the relay has seen them.
#[derive(Debug, Default)]
pub struct OutboxSummary {
    entries: i64,
    oldest: Option<Timestamp>,
    incomplete_sales: i64,
    open_sales: i64,
    open_sales_units: i64,
    open_sales_units_remaining: i64,
}

impl OutboxSummary {
    /// Adds a sale, given the first page of its outbox. `is_open`: the sale takes orders.
    pub fn add(&mut self, first: &OutboxPage, is_open: bool) {
        self.entries += i64::try_from(first.waiting).unwrap_or(i64::MAX);
        // Events are sorted by age, but not all have a time.
        let mut events = first.oldest.iter().chain(&first.events);
        let since = events.find_map(OutboxEvent::since);
        self.oldest = self.oldest.into_iter().chain(since).min();
        self.incomplete_sales += i64::from(first.is_lost);
        if is_open {
            self.open_sales += 1;
            self.open_sales_units += first.total;
            self.open_sales_units_remaining += first.remaining;
        }
    }

    /// Adds a sale that Redis has lost.
    pub fn add_lost(&mut self) {
        self.incomplete_sales += 1;
    }

    /// Sets the metrics; without a summary, which only the relay leader has, they are absent.
    pub fn show(summary: Option<&Self>, metrics: &Metrics) {
        let of = |get: fn(&Self) -> i64| summary.map(get);
        metrics.outbox_entries.show(of(|it| it.entries));
        let oldest = summary.map(Self::oldest_seconds);
        metrics.outbox_oldest_seconds.show(oldest);
        metrics.sales_incomplete.show(of(|it| it.incomplete_sales));
        metrics.open_sales.show(of(|it| it.open_sales));
        metrics.open_sales_units.show(of(|it| it.open_sales_units));
        let remaining = of(|it| it.open_sales_units_remaining);
        metrics.open_sales_units_remaining.show(remaining);
    }

    fn oldest_seconds(&self) -> f64 {
        let age = |since| Timestamp::now().duration_since(since).as_secs_f64();
        self.oldest.map_or(0.0, age).max(0.0)
    }
}
