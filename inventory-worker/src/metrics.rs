//! All metrics of the service, each with its help text.

/// Seconds: from a millisecond, one small transaction, to a minute, an outage.
const SECONDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
const ROWS: [f64; 11] = [
    1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 50_000.0,
];

fluxgate_service::metrics! {
    struct Metrics;
    /// Orders written, by what became of them: confirmed, oversold, unknown_sale, fenced, cancelled, or duplicate (it, or the change, was there already).
    orders_total: IntCounterVec ["outcome"] {"confirmed", "oversold", "unknown_sale", "fenced", "cancelled", "duplicate"},
    /// Restocks and closings written.
    sale_changes_total: IntCounter,
    /// Records written to dead_letters instead of orders.
    dead_letters_total: IntCounter,
    /// Copies of dead letters that could not be sent to the topic for them; the table has them all.
    dead_letter_copy_failures_total: IntCounter,
    /// Records in a batch.
    batch_rows: Histogram (ROWS),
    /// Seconds from the moment an event was handed to Kafka until a writer took it up.
    queue_seconds: Histogram (SECONDS),
    /// Seconds that one transaction took, by outcome: committed, missed (PostgreSQL held another position), refused (a record cannot be written), failed.
    transaction_seconds: HistogramVec (SECONDS) ["outcome"] {"committed", "missed", "refused", "failed"},
    /// Seconds from taking up a batch until it was committed, retries included.
    flush_seconds: Histogram (SECONDS),
    /// Attempts to write a batch that failed and were repeated.
    flush_retries_total: IntCounterVec ["cause"] {"timeout", "connection", "server"},
    /// Slices that were thrown away and read again because PostgreSQL held another position.
    position_mismatches_total: IntCounter,
    /// Seconds from taking the units in Redis until the order was confirmed here; each order counts once, when its row is written.
    end_to_end_seconds: Histogram (SECONDS),
    /// Times the partitions were paused because PostgreSQL did not keep up for a second.
    backpressure_pauses_total: IntCounter,
    /// Times the consumer group and this worker lost each other; it read on meanwhile.
    group_losses_total: IntCounter,
    /// Times a Kafka client that had lost all its brokers was told of them again.
    kafka_clients_recovered_total: IntCounter,
    /// Numbers below the highest one written that are not written yet, of the sales whose partitions this worker reads; what stays here was lost on the way. Not of sales that were rebuilt: reconciler audit counts theirs.
    sequence_gaps: IntGauge,
    /// Partitions this worker reads.
    partitions_assigned: IntGauge,
    /// Owned partitions that are not read until somebody mends their log or raises a limit.
    partitions_halted: IntGauge,
    /// Records of an owned partition that are not written yet, up to the end of its log as a broker last said with records: while nothing is fetched (no leader, or paused because PostgreSQL is away) it does not grow.
    lag_records: IntGaugeVec ["partition"],
    /// Age of the oldest record that was read and is not written yet; 0 when there is none, also where nothing can be read.
    lag_seconds: GaugeVec ["partition"],
    /// The same, the highest of all owned partitions.
    lag_seconds_max: Gauge,
}
