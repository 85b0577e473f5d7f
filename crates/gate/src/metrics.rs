//! Metrics of the calls to Redis.

use fluxgate_service::metrics::CALL_SECONDS;

fluxgate_service::metrics! {
    struct GateMetrics;
    /// Duration of Redis calls in seconds, by call.
    redis_call_seconds: HistogramVec (CALL_SECONDS) ["call"],
    /// Redis clients replaced because Redis had not replied for too long.
    redis_clients_replaced_total: IntCounter,
    /// Failed Redis calls, by kind of error.
    redis_errors_total: IntCounterVec ["kind"] {
        "timeout", "connection", "backpressure", "out_of_memory", "too_few_replicas", "unexpected_reply", "abandoned", "other",
    },
}
