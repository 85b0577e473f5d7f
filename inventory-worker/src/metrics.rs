//! All metrics of the service, each with its help text.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

const PREFIX: &str = "inventory_worker";
/// Seconds: from a millisecond, one small transaction, to a minute, an outage.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];
const ROWS: [f64; 11] = [
    1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 50_000.0,
];

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ident $(($buckets:ident))? $([$($label:literal),+])?,)+) => {
        /// The service's metrics. A field's name, with the service's before it, is the metric's
        /// name; its comment is the help text. Cheap to clone; all clones are one.
        #[derive(Clone)]
        pub struct Metrics {
            $($(#[doc = $help])+ pub $name: $kind,)+
        }

        impl Metrics {
            /// Makes the metrics and registers them.
            pub fn register(registry: &Registry) -> Self {
                Self {
                    $($name: added(
                        registry,
                        <$kind as Metric>::named(
                            stringify!($name),
                            concat!($($help),+).trim(),
                            &[$($($label),+)?],
                            &[$(&$buckets)?],
                        ),
                    ),)+
                }
            }
        }
    };
}

metrics! {
    /// Orders written, by what became of them: confirmed, oversold, unknown_sale, or duplicate (it had its row already).
    orders_total: IntCounterVec ["outcome"],
    /// Records written to dead_letters instead of orders.
    dead_letters_total: IntCounter,
    /// Copies of dead letters that could not be sent to the topic for them; the table has them all.
    dead_letter_copy_failures_total: IntCounter,
    /// Records in a batch.
    batch_rows: Histogram (ROWS),
    /// Seconds from taking up a batch until it was committed, retries included.
    flush_seconds: Histogram (SECONDS),
    /// Attempts to write a batch that failed and were repeated.
    flush_retries_total: IntCounterVec ["cause"],
    /// Slices that were thrown away and read again because PostgreSQL held another position.
    position_misses_total: IntCounter,
    /// Seconds from taking the units in Redis until the order was committed here.
    end_to_end_seconds: Histogram (SECONDS),
    /// Times the partitions were paused because PostgreSQL did not keep up for a second.
    backpressure_pauses_total: IntCounter,
    /// Partitions this worker owns.
    partitions_assigned: IntGauge,
    /// Owned partitions that are not read until somebody mends their log or raises a limit.
    partitions_halted: IntGauge,
    /// Records of an owned partition that are not written yet.
    lag_records: IntGaugeVec ["partition"],
    /// Age of the oldest record that was read and is not written yet; 0 when there is none.
    lag_seconds: GaugeVec ["partition"],
    /// The same, the highest of all owned partitions.
    lag_seconds_max: Gauge,
}

/// A metric that can be made from its name, its help, its labels and its buckets.
trait Metric: Collector + Clone + Sized + 'static {
    fn named(name: &str, help: &str, labels: &[&str], buckets: &[&[f64]]) -> Self;
}

const VALID: &str = "names, labels and buckets of metrics are literals of this file";

macro_rules! metric {
    ($kind:ident, plain) => {
        impl Metric for $kind {
            fn named(name: &str, help: &str, _: &[&str], _: &[&[f64]]) -> Self {
                Self::with_opts(Opts::new(name, help).namespace(PREFIX)).expect(VALID)
            }
        }
    };
    ($kind:ident, labelled) => {
        impl Metric for $kind {
            fn named(name: &str, help: &str, labels: &[&str], _: &[&[f64]]) -> Self {
                Self::new(Opts::new(name, help).namespace(PREFIX), labels).expect(VALID)
            }
        }
    };
}

metric!(IntCounter, plain);
metric!(IntGauge, plain);
metric!(Gauge, plain);
metric!(IntCounterVec, labelled);
metric!(IntGaugeVec, labelled);
metric!(GaugeVec, labelled);

impl Metric for Histogram {
    fn named(name: &str, help: &str, _: &[&str], buckets: &[&[f64]]) -> Self {
        let options = HistogramOpts::new(name, help).namespace(PREFIX);
        Self::with_opts(options.buckets(buckets.concat())).expect(VALID)
    }
}

fn added<M: Metric>(registry: &Registry, metric: M) -> M {
    registry
        .register(Box::new(metric.clone()))
        .expect("each field of Metrics has a name of its own");
    metric
}
