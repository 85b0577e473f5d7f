//! How a program declares its metrics: one struct, one line per metric.

mod limits;
mod queried_gauge;

pub use queried_gauge::QueriedGauge;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// Buckets of a request or of a call to a store: upper bounds in seconds, from 0.1 ms to 10 s.
pub const CALL_SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Declares `struct Metrics`: one field per metric, of one of prometheus's types, with its buckets in parentheses and its
/// labels in brackets where it has them. A single label may be followed by its values in braces: their series then exist
/// from the start, at zero. Prometheus sees no increase in a series whose first value is one. A gauge with empty brackets
/// is a [`QueriedGauge`].
///
/// The metric's name is the field's name, prefixed with the service's; the field's comment is the help text.
///
/// ```
/// fluxgate_service::metrics! {
///     struct Metrics;
///     /// Orders, by outcome.
///     orders_total: IntCounterVec ["outcome"] {"accepted", "sold_out"},
///     /// Duration of one write in seconds.
///     write_seconds: Histogram ([0.1, 1.0, 10.0]),
/// }
///
/// let registry = prometheus::Registry::new();
/// let metrics = Metrics::register(&registry, "my_service");
/// metrics.orders_total.with_label_values(&["accepted"]).inc();
/// let orders = &registry.gather()[0];
/// assert_eq!(orders.name(), "my_service_orders_total");
/// assert_eq!(orders.get_metric().len(), 2);
/// ```
#[macro_export]
macro_rules! metrics {
    (struct $metrics:ident; $($(#[doc = $help:literal])+ $name:ident: $kind:ident $(($buckets:expr))? $([$($label:literal),*])? $({$($value:literal),+ $(,)?})?,)+) => {
        /// Metrics. Clones share their values.
        #[derive(Clone)]
        pub struct $metrics {
            $($(#[doc = $help])+ pub $name: ::prometheus::$kind,)+
        }

        impl $metrics {
            /// Creates the metrics and registers them; `service` is the prefix of their names.
            pub fn register(registry: &::prometheus::Registry, service: &str) -> Self {
                let metrics = Self {
                    $($name: $crate::metrics::Declared {
                        service,
                        name: stringify!($name),
                        help: concat!($($help),+).trim(),
                        labels: &[$($($label),*)?],
                        buckets: &[$(&$buckets)?],
                    }
                    .register(registry),)+
                };
                $($($(metrics.$name.with_label_values(&[$value]);)+)?)+
                metrics
            }
        }
    };
}

/// A registry with the resource use of this process and its limits.
///
/// # Panics
/// Never: the names are of different metrics.
pub fn registry() -> Registry {
    with_limits(None)
}

/// The same for a process whose work is done by `threads` threads, so that it cannot use more cores.
///
/// # Panics
/// Never: the names are of different metrics.
pub fn registry_for(threads: usize) -> Registry {
    with_limits(Some(threads))
}

fn with_limits(threads: Option<usize>) -> Registry {
    let registry = Registry::new();
    registry
        .register(Box::new(ProcessCollector::for_self()))
        .expect(VALID);
    limits::register(&registry, threads);
    registry
}

/// The declaration of one metric, a line of [`metrics!`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Declared<'a> {
    pub service: &'a str,
    pub name: &'a str,
    pub help: &'a str,
    pub labels: &'a [&'a str],
    /// One list for a histogram, none otherwise.
    pub buckets: &'a [&'a [f64]],
}

const VALID: &str = "names, labels and buckets of metrics are literals, each name given once";

impl Declared<'_> {
    /// Creates the metric and adds it to `registry`.
    ///
    /// # Panics
    /// When the name is taken, or is not a valid Prometheus name.
    pub fn register<M: Metric>(self, registry: &Registry) -> M {
        let metric = M::declared(&self);
        registry.register(Box::new(metric.clone())).expect(VALID);
        metric
    }

    fn options(&self) -> Opts {
        Opts::new(self.name, self.help).namespace(self.service)
    }

    fn with_buckets(&self) -> HistogramOpts {
        HistogramOpts::from(self.options()).buckets(self.buckets.concat())
    }
}

/// A kind of metric that can be declared.
pub trait Metric: Collector + Clone + 'static {
    /// Creates the metric without registering it.
    fn declared(declared: &Declared<'_>) -> Self;
}

macro_rules! kinds {
    ($($kind:ident: $new:expr;)+) => {
        $(impl Metric for $kind {
            fn declared(declared: &Declared<'_>) -> Self {
                let new: fn(&Declared<'_>) -> prometheus::Result<Self> = $new;
                new(declared).expect(VALID)
            }
        })+
    };
}

kinds! {
    IntCounter: |it| Self::with_opts(it.options());
    IntGauge: |it| Self::with_opts(it.options());
    Gauge: |it| Self::with_opts(it.options());
    Histogram: |it| Self::with_opts(it.with_buckets());
    IntCounterVec: |it| Self::new(it.options(), it.labels);
    IntGaugeVec: |it| Self::new(it.options(), it.labels);
    GaugeVec: |it| Self::new(it.options(), it.labels);
    HistogramVec: |it| Self::new(it.with_buckets(), it.labels);
}
