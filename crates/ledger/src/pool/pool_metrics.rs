use deadpool_postgres::Pool;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

const VALID: &str = "names and labels are literals";

/// How much of a pool is in use, read at every scrape.
pub struct PoolMetrics {
    pool: Pool,
    connections: IntGaugeVec,
    connections_max: IntGauge,
    waiting: IntGauge,
}

impl PoolMetrics {
    /// Registers the metrics of a pool; `service` is the prefix of their names.
    ///
    /// # Panics
    /// When the service registers a second pool.
    pub fn register(pool: &Pool, registry: &Registry, service: &str) {
        let metrics = Self::new(pool.clone(), service);
        registry
            .register(Box::new(metrics))
            .expect("a service registers one pool");
    }

    fn new(pool: Pool, service: &str) -> Self {
        let options = |name, help| Opts::new(name, help).namespace(service);
        let gauge = |name, help| IntGauge::with_opts(options(name, help)).expect(VALID);
        let connections = options(
            "postgres_connections",
            "PostgreSQL connections in the pool, by state: busy, idle.",
        );
        Self {
            pool,
            connections: IntGaugeVec::new(connections, &["state"]).expect(VALID),
            connections_max: gauge(
                "postgres_connections_max",
                "Maximum size of the PostgreSQL connection pool.",
            ),
            waiting: gauge(
                "postgres_connections_waiting",
                "Calls waiting for a PostgreSQL connection.",
            ),
        }
    }
}

impl Collector for PoolMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [self.connections_max.desc(), self.waiting.desc()];
        let gauges = gauges.into_iter().flatten();
        self.connections.desc().into_iter().chain(gauges).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = self.pool.status();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let state = |state| self.connections.with_label_values(&[state]);
        state("idle").set(count(status.available));
        state("busy").set(count(status.size.saturating_sub(status.available)));
        self.connections_max.set(count(status.max_size));
        self.waiting.set(count(status.waiting));
        let gauges = [self.connections_max.collect(), self.waiting.collect()];
        let gauges = gauges.into_iter().flatten();
        self.connections
            .collect()
            .into_iter()
            .chain(gauges)
            .collect()
    }
}
