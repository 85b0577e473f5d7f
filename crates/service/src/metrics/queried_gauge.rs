use prometheus::core::{Atomic, GenericGaugeVec};

/// A gauge whose value comes from a query that may fail: a vector of gauges without labels. After a failure it has no
/// series, so that an old value never looks like the current one.
pub trait QueriedGauge<T> {
    /// Sets the value; `None` if it is unknown.
    fn show(&self, value: Option<T>);
}

impl<P: Atomic + 'static> QueriedGauge<P::T> for GenericGaugeVec<P> {
    fn show(&self, value: Option<P::T>) {
        match value {
            Some(value) => self.with_label_values::<&str>(&[]).set(value),
            None => self.reset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    crate::metrics! {
        struct Metrics;
        /// Entries.
        entries: IntGaugeVec [],
    }

    #[test]
    fn a_gauge_whose_query_failed_is_absent() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, "service");
        let shown = || {
            let families = registry.gather();
            let text = TextEncoder::new().encode_to_string(&families).unwrap();
            text.contains("service_entries 7")
        };
        assert!(!shown());
        metrics.entries.show(Some(7));
        assert!(shown());
        metrics.entries.show(None);
        assert!(!shown());
    }
}
