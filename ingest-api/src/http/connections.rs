use prometheus::IntGauge;

use crate::metrics::Metrics;

/// The connections that clients hold to this copy.
pub struct Connections {
    metrics: Metrics,
    max: i64,
}

/// One of them; counted until dropped.
pub struct Connection(IntGauge);

impl Connections {
    /// None yet, of at most `max`. The server keeps to the limit; this one counts.
    pub fn new(metrics: Metrics, max: u32) -> Self {
        Self {
            metrics,
            max: max.into(),
        }
    }

    /// Counts one that has just been accepted, and whether it took the last place.
    pub fn accepted(&self) -> Connection {
        let open = &self.metrics.connections;
        open.inc();
        if open.get() >= self.max {
            self.metrics.connections_limit_hits_total.inc();
        }
        Connection(open.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
