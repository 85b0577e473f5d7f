use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};
use rdkafka::statistics::Statistics;

/// Brings a client back that has forgotten its brokers.
///
/// librdkafka drops a broker that the cluster does not name, and its first brokers once it has
/// learned of others. A cluster that fences a broker, as it does with one that was frozen, names
/// none for a moment; whoever asks in that moment has nobody left to ask, for ever
/// (docs/decisions/0011).
///
/// One clone is the client's context, or in it and shown the statistics. Another one is with whoever
/// uses the client, and mends it from time to time.
#[derive(Debug, Clone)]
pub struct Lifeline {
    brokers: CString,
    is_lost: Arc<AtomicBool>,
}

impl Lifeline {
    /// For a client of these bootstrap brokers.
    ///
    /// # Panics
    /// When `brokers` holds a NUL, which neither an argument nor an environment variable can.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        Self {
            brokers: CString::new(brokers).expect("no setting holds a NUL"),
            is_lost: Arc::default(),
        }
    }

    /// Takes note of whether the client knows a broker.
    pub fn look(&self, statistics: &Statistics) {
        let mut sources = statistics
            .brokers
            .values()
            .map(|broker| broker.source.as_str());
        // The others are librdkafka's own: its inner queue, and stand-ins such as the group's coordinator.
        let knows_one = sources.any(|source| matches!(source, "configured" | "learned"));
        self.is_lost.store(!knows_one, Ordering::Relaxed);
    }

    /// Names the bootstrap brokers to the client again if it was last seen without any. Costs
    /// nothing otherwise, and never waits.
    #[allow(unsafe_code)]
    pub fn mend<C: ClientContext>(&self, client: &Client<C>) {
        let is_lost = self.is_lost.load(Ordering::Relaxed);
        if !is_lost || !self.is_lost.swap(false, Ordering::Relaxed) {
            return;
        }
        // SAFETY: The client is borrowed, so its pointer is of a live librdkafka instance; the list is a
        // NUL-terminated string that outlives the call, which copies it. librdkafka's instances, and
        // this function by name, may be used from any thread.
        let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), self.brokers.as_ptr()) };
        tracing::warn!(
            brokers = added,
            "the Kafka client had lost all its brokers; it begins anew with the bootstrap brokers"
        );
    }
}

/// The context of a client that needs no other.
impl ClientContext for Lifeline {
    fn stats(&self, statistics: Statistics) {
        self.look(&statistics);
    }
}
