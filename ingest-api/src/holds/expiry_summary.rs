use std::time::Duration;

use fluxgate_service::metrics::QueriedGauge;

use crate::metrics::Metrics;

/// Why the orders of a sale do not expire although their holds have ended, or might have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// The clocks of Redis and of this instance differ too much.
    Clock,
    /// Nobody has looked for a while, and payments may have been waiting.
    Paused,
    /// PostgreSQL is unavailable, or the worker has not written the log yet.
    Ledger,
    /// Kafka does not take the events.
    Kafka,
    /// Redis gave no usable answer, or it has lost writes.
    Redis,
    /// Too many events wait in the outbox.
    Outbox,
}

impl Blocked {
    const ALL: [Self; 6] = [
        Self::Clock,
        Self::Paused,
        Self::Ledger,
        Self::Kafka,
        Self::Redis,
        Self::Outbox,
    ];

    /// The value of a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Paused => "paused",
            Self::Ledger => "ledger",
            Self::Kafka => "kafka",
            Self::Redis => "redis",
            Self::Outbox => "outbox",
        }
    }
}

/// Holds that have ended, as one pass of the hold expirer has seen them.
#[derive(Debug, Default)]
pub struct ExpirySummary {
    blocked: [i64; Blocked::ALL.len()],
    lateness: Duration,
}

impl ExpirySummary {
    /// Adds a sale whose orders do not expire.
    pub fn add_blocked(&mut self, blocked: Blocked) {
        self.blocked[blocked as usize] += 1;
    }

    /// Adds a sale whose first hold has had no grace left for this long.
    pub fn add_lateness(&mut self, lateness: Duration) {
        self.lateness = self.lateness.max(lateness);
    }

    /// Logs what blocks the expiry since the pass before. Pauses are no news: every sale begins with one.
    pub fn log_changes(&self, before: &Self) {
        let news = Blocked::ALL.into_iter().filter(|it| *it != Blocked::Paused);
        for blocked in news {
            let [was, is] = [before, self].map(|it| it.blocked[blocked as usize] > 0);
            let reason = blocked.as_str();
            match (was, is) {
                (false, true) => tracing::warn!(reason, "orders that are not paid do not expire"),
                (true, false) => {
                    tracing::info!(reason, "the expiry of orders is no longer blocked")
                }
                _ => {}
            }
        }
    }

    /// Sets the metrics; without a summary, which only the instance with the expiry lease has, they are absent.
    pub fn show(summary: Option<&Self>, metrics: &Metrics) {
        let lateness = summary.map(|it| it.lateness.as_secs_f64());
        metrics.hold_expiry_lateness_seconds.show(lateness);
        let Some(summary) = summary else {
            return metrics.hold_expiry_blocked.reset();
        };
        for (blocked, sales) in Blocked::ALL.into_iter().zip(summary.blocked) {
            let gauge = &metrics.hold_expiry_blocked;
            gauge.with_label_values(&[blocked.as_str()]).set(sales);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    #[test]
    fn a_summary_counts_each_reason_and_only_the_lease_holder_shows_one() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, "api");
        let mut summary = ExpirySummary::default();
        for blocked in Blocked::ALL {
            summary.add_blocked(blocked);
        }
        summary.add_blocked(Blocked::Outbox);
        summary.add_lateness(Duration::from_secs(3));
        summary.add_lateness(Duration::from_secs(2));
        ExpirySummary::show(Some(&summary), &metrics);
        let text = || {
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap()
        };
        let shown = text();
        assert!(shown.contains("api_hold_expiry_lateness_seconds 3\n"));
        for blocked in Blocked::ALL {
            let count = if blocked == Blocked::Outbox { 2 } else { 1 };
            let line = format!(
                "api_hold_expiry_blocked{{reason=\"{}\"}} {count}\n",
                blocked.as_str()
            );
            assert!(shown.contains(&line), "{line}");
        }
        ExpirySummary::show(None, &metrics);
        assert!(!text().contains("api_hold_expiry_lateness"));
        assert!(!text().contains("api_hold_expiry_blocked{"));
    }
}
