/// Upper bounds in seconds, from 0.1 ms to 10 s.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

fluxgate_service::metrics! {
    struct ClientMetrics;
    /// Kafka clients recovered after losing all brokers.
    kafka_clients_recovered_total: IntCounter,
}

fluxgate_service::metrics! {
    struct PublisherMetrics;
    /// Time in seconds from handing a message to the producer until Kafka acknowledged it.
    publish_seconds: Histogram (SECONDS),
    /// Messages handed to the producer, by outcome: acknowledged, failed, refused (the producer's queue was full).
    publishes_total: IntCounterVec ["outcome"] {"acknowledged", "failed", "refused"},
    /// Messages that Kafka did not acknowledge before their caller stopped waiting (for orders: PUBLISH_WAIT_MS).
    publish_wait_timeouts_total: IntCounter,
    /// 1 while the circuit breaker is open because Kafka does not acknowledge messages, else 0. One probe per second still passes.
    publisher_circuit_open: IntGauge,
}
