//! Metrics of the worker. Those of its Kafka clients: `fluxgate_log::ClientMetrics`.

/// Upper bounds in seconds, from 1 ms (one small transaction) to 60 s (an outage).
const SECONDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
const ROWS: [f64; 11] = [
    1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 50_000.0,
];

fluxgate_service::metrics! {
    struct Metrics;
    /// Orders written, by outcome: confirmed, oversold, unknown_sale, fenced, completed, expired, cancelled, duplicate (what the record says was already written). An order counts under each that applies to it.
    orders_total: IntCounterVec ["outcome"] {"confirmed", "oversold", "unknown_sale", "fenced", "completed", "expired", "cancelled", "duplicate"},
    /// Orders that were paid and have no units: rejected ones, and expired ones whose units were sold again. They are among the completed ones.
    paid_without_unit_total: IntCounter,
    /// Restocks and closings written.
    sale_changes_total: IntCounter,
    /// Records written to dead_letters instead of orders.
    dead_letters_total: IntCounter,
    /// Dead letters copied to KAFKA_DLQ_TOPIC.
    dead_letter_copies_total: IntCounter,
    /// Failed attempts to copy a dead letter to KAFKA_DLQ_TOPIC. Unless the topic refuses it for good, it is tried again. The table dead_letters has all of them.
    dead_letter_copy_failures_total: IntCounter,
    /// Dead letters of all workers that are not copied to KAFKA_DLQ_TOPIC yet; at most 10,000 are counted. Absent while PostgreSQL does not answer.
    dead_letter_copies_waiting: IntGaugeVec [],
    /// Records per batch.
    batch_rows: Histogram (ROWS),
    /// Time in seconds from an event's Kafka timestamp until a writer took its batch.
    queue_seconds: Histogram (SECONDS),
    /// Duration of transactions in seconds, by outcome: committed, position_mismatch (PostgreSQL held a different position), refused (a record becomes a dead letter), failed.
    transaction_seconds: HistogramVec (SECONDS) ["outcome"] {"committed", "position_mismatch", "refused", "failed"},
    /// Time in seconds from taking a batch until it was committed, retries included.
    flush_seconds: Histogram (SECONDS),
    /// Failed attempts to write a batch that were retried, by cause: timeout, connection, session (it takes no writes, or the schema has changed under it; a new connection is made), server.
    flush_retries_total: IntCounterVec ["cause"] {"timeout", "connection", "session", "server"},
    /// Partition slices of a batch discarded and read again because PostgreSQL held a different position.
    position_mismatches_total: IntCounter,
    /// Checks whether a log is the one that was read, by outcome: same, shortened (retention has removed what was read), undecided (no answer), halted.
    log_checks_total: IntCounterVec ["outcome"] {"same", "shortened", "undecided", "halted"},
    /// Ranges of offsets without a record that were passed, such as the markers of transactions.
    offset_gaps_total: IntCounter,
    /// Kafka consumers replaced because a partition gave neither a record nor its end, although another client got answers.
    kafka_readers_replaced_total: IntCounter,
    /// Time in seconds from the reservation in Redis until the order was confirmed, observed once per order.
    end_to_end_seconds: Histogram (SECONDS),
    /// Times partitions were paused because PostgreSQL had not kept up for 1 second.
    backpressure_pauses_total: IntCounter,
    /// Times this worker lost its membership in the consumer group. It keeps reading in the meantime.
    group_losses_total: IntCounter,
    /// Sequence numbers below the highest written one that are missing in PostgreSQL, for the sales in this worker's partitions. A gap that persists is a lost order or change. Rebuilt sales are excluded: reconciler audit counts their gaps. Absent while they cannot be counted.
    sequence_gaps: IntGaugeVec [],
    /// Partitions that this worker reads.
    partitions_assigned: IntGauge,
    /// Partitions that are halted until `reconciler accept-log` or a higher DEAD_LETTERS_MAX_PER_BATCH: those of this worker and, at the one that reads partition 0, those that the topic no longer has.
    partitions_halted: IntGauge,
    /// Records not yet written, by partition, up to the log end that a broker last reported. Does not grow while nothing is fetched (no leader, or paused because PostgreSQL is unavailable). All records of a log that is halted, or that ends before the position; absent while the log is halted and Kafka does not tell its bounds.
    lag_records: IntGaugeVec ["partition"],
    /// Age in seconds of the oldest record that has been read but not written, by partition; 0 if there is none, including while nothing can be read.
    lag_seconds: GaugeVec ["partition"],
    /// Highest lag_seconds among this worker's partitions.
    lag_seconds_max: Gauge,
}

impl Metrics {
    /// Counts a check whether a log is the one that was read.
    pub fn count_log_check(&self, outcome: &str) {
        self.log_checks_total.with_label_values(&[outcome]).inc();
    }
}
