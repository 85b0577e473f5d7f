use fluxgate_service::metrics::CALL_SECONDS;

fluxgate_service::metrics! {
    struct ClientMetrics;
    /// Kafka clients recovered after losing all brokers.
    kafka_clients_recovered_total: IntCounter,
}

fluxgate_service::metrics! {
    struct PublisherMetrics;
    /// Time in seconds from handing a message to the producer until Kafka acknowledged it.
    publish_seconds: Histogram (CALL_SECONDS),
    /// Messages handed to the producer, by outcome: acknowledged, failed, refused (the producer's queue was full).
    publishes_total: IntCounterVec ["outcome"] {"acknowledged", "failed", "refused"},
    /// Messages that Kafka did not acknowledge before their caller stopped waiting (for orders: PUBLISH_WAIT_MS).
    publish_wait_timeouts_total: IntCounter,
    /// Messages handed to the producer whose caller did not wait, because acknowledgements took longer than it would have waited (for orders: PUBLISH_WAIT_MS).
    publishes_not_awaited_total: IntCounter,
    /// Partitions whose circuit breaker is open because Kafka does not acknowledge their messages. One probe per second and partition still passes.
    publisher_circuit_open: IntGauge,
}
