//! Metrics of the calls to Redis.

/// Upper bounds in seconds, from 0.1 ms (one Redis call) to 10 s.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

fluxgate_service::metrics! {
    struct GateMetrics;
    /// Duration of Redis calls in seconds, by call.
    redis_call_seconds: HistogramVec (SECONDS) ["call"],
    /// Redis clients replaced because Redis had not replied for too long.
    redis_clients_replaced_total: IntCounter,
    /// Failed Redis calls, by kind of error.
    redis_errors_total: IntCounterVec ["kind"] {
        "timeout", "connection", "backpressure", "out_of_memory", "too_few_replicas", "unexpected_reply", "abandoned", "other",
    },
}
