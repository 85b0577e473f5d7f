use deadpool_postgres::{Pool, Status};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::Closing;

const VALID: &str = "names and labels are literals";

/// How much of some pools together is in use, read at every scrape; and the connections that were closed.
pub struct PoolMetrics {
    pools: Vec<Pool>,
    connections: IntGaugeVec,
    connections_max: IntGauge,
    waiting: IntGauge,
    closed_total: IntCounterVec,
}

impl PoolMetrics {
    /// Registers the metrics of these pools; `service` is the prefix of their names, `name` the
    /// value of the label `pool` if the service has several. Returns the counter of connections that
    /// the service closes.
    ///
    /// # Panics
    /// When the service registers the same name twice.
    pub fn register(
        pools: Vec<Pool>,
        registry: &Registry,
        service: &str,
        name: Option<&str>,
    ) -> IntCounterVec {
        let metrics = Self::new(pools, service, name);
        let closed_total = metrics.closed_total.clone();
        registry
            .register(Box::new(metrics))
            .expect("a service registers each pool once");
        closed_total
    }

    fn new(pools: Vec<Pool>, service: &str, pool_name: Option<&str>) -> Self {
        let options = |name, help| {
            let options = Opts::new(name, help).namespace(service);
            match pool_name {
                Some(pool_name) => options.const_label("pool", pool_name),
                None => options,
            }
        };
        let closed = options(
            "postgres_connections_closed_total",
            "PostgreSQL connections closed because they are of no more use, by reason: timeout, read_only (the session takes no writes), stale_plan (the schema has changed under its prepared statements), ended (by PostgreSQL or the network), other.",
        );
        let closed_total = IntCounterVec::new(closed, &["reason"]).expect(VALID);
        for closing in Closing::ALL {
            closed_total.with_label_values(&[closing.as_str()]);
        }
        let gauge = |name, help| IntGauge::with_opts(options(name, help)).expect(VALID);
        let connections = options(
            "postgres_connections",
            "PostgreSQL connections in the pool, by state: busy, idle.",
        );
        Self {
            pools,
            closed_total,
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
        [
            self.connections.desc(),
            self.connections_max.desc(),
            self.waiting.desc(),
            self.closed_total.desc(),
        ]
        .concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sum = |count: fn(&Status) -> usize| {
            let sum: usize = self.pools.iter().map(|pool| count(&pool.status())).sum();
            i64::try_from(sum).unwrap_or(i64::MAX)
        };
        let state = |state| self.connections.with_label_values(&[state]);
        state("idle").set(sum(|it| it.available));
        state("busy").set(sum(|it| it.size.saturating_sub(it.available)));
        self.connections_max.set(sum(|it| it.max_size));
        self.waiting.set(sum(|it| it.waiting));
        [
            self.connections.collect(),
            self.connections_max.collect(),
            self.waiting.collect(),
            self.closed_total.collect(),
        ]
        .concat()
    }
}
