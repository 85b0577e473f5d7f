use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::IntCounter;
use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};
use rdkafka::statistics::Statistics;

/// Recovers a client that has lost all its brokers.
///
/// librdkafka drops every broker that the cluster does not name, including the bootstrap brokers once it has learned of
/// others. A cluster that fences a broker, as it does with one that was frozen, names none for a moment. A client that
/// asks in that moment has no broker left to ask, and never recovers by itself (docs/decisions/0011).
///
/// One clone is the client's context, or inside it, and sees the statistics. Another clone belongs to the user of the
/// client, who calls [`BrokerWatchdog::recover`] regularly.
#[derive(Debug, Clone)]
pub struct BrokerWatchdog {
    brokers: CString,
    is_lost: Arc<AtomicBool>,
    recovered_total: Option<IntCounter>,
}

impl BrokerWatchdog {
    /// A watchdog for a client of these bootstrap brokers.
    ///
    /// # Panics
    /// When `brokers` contains a NUL, which neither an argument nor an environment variable can.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        Self {
            brokers: CString::new(brokers).expect("a setting contains no NUL"),
            is_lost: Arc::default(),
            recovered_total: None,
        }
    }

    /// The same watchdog, counting recoveries.
    #[must_use]
    pub fn counting(mut self, recovered_total: &IntCounter) -> Self {
        self.recovered_total = Some(recovered_total.clone());
        self
    }

    /// Records whether the client knows a broker.
    pub fn observe(&self, statistics: &Statistics) {
        let mut sources = statistics
            .brokers
            .values()
            .map(|broker| broker.source.as_str());
        // Other sources are placeholders, such as the group's coordinator.
        let knows_one = sources.any(|source| matches!(source, "configured" | "learned"));
        self.is_lost.store(!knows_one, Ordering::Relaxed);
    }

    /// Adds the bootstrap brokers to the client again if its last statistics showed no broker; the client connects in
    /// the background. Otherwise this reads one atomic.
    #[allow(unsafe_code)]
    pub fn recover<C: ClientContext>(&self, client: &Client<C>) {
        let is_lost = self.is_lost.load(Ordering::Relaxed);
        if !is_lost || !self.is_lost.swap(false, Ordering::Relaxed) {
            return;
        }
        // SAFETY: The client is borrowed, so its pointer is of a live librdkafka instance; the list is a
        // NUL-terminated string that outlives the call, which copies it. librdkafka's instances, and
        // this function by name, may be used from any thread.
        let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), self.brokers.as_ptr()) };
        if let Some(total) = &self.recovered_total {
            total.inc();
        }
        tracing::warn!(
            brokers = added,
            "Kafka client had lost all brokers; re-added the bootstrap brokers"
        );
    }
}

/// The context of a client that needs nothing else.
impl ClientContext for BrokerWatchdog {
    fn stats(&self, statistics: Statistics) {
        self.observe(&statistics);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;

    fn is_lost_among(sources: &[&str]) -> bool {
        let brokers = sources.iter().map(|source| {
            let broker = Broker {
                source: (*source).to_owned(),
                ..Broker::default()
            };
            ((*source).to_owned(), broker)
        });
        let statistics = Statistics {
            brokers: brokers.collect(),
            ..Statistics::default()
        };
        let watchdog = BrokerWatchdog::new("127.0.0.1:9092");
        watchdog.observe(&statistics);
        watchdog.is_lost.load(Ordering::Relaxed)
    }

    #[test]
    fn a_client_is_lost_when_only_placeholders_are_left() {
        assert!(is_lost_among(&[]));
        assert!(is_lost_among(&["logical"]));
        assert!(!is_lost_among(&["logical", "learned"]));
        assert!(!is_lost_among(&["configured"]));
    }
}
