//! All metrics of the service, each with its help text.

use std::cell::RefCell;

use prometheus::IntCounter;

/// Seconds: from a tenth of a millisecond, what one Redis call takes, to ten seconds.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Counters that differ in one label, each looked up once: finding one by its labels costs more than
/// counting. For one thread.
pub struct Counters<L> {
    find: Box<dyn Fn(L) -> IntCounter>,
    found: RefCell<Vec<(L, IntCounter)>>,
}

impl<L: Copy + PartialEq> Counters<L> {
    /// Counters that `find` finds.
    pub fn new(find: impl Fn(L) -> IntCounter + 'static) -> Self {
        Self {
            find: Box::new(find),
            found: RefCell::default(),
        }
    }

    /// Counts one.
    pub fn inc(&self, label: L) {
        let mut found = self.found.borrow_mut();
        if let Some((_, counter)) = found.iter().find(|(known, _)| *known == label) {
            return counter.inc();
        }
        let counter = (self.find)(label);
        counter.inc();
        found.push((label, counter));
    }
}

fluxgate_service::metrics! {
    struct Metrics;
    /// Requests answered.
    http_requests_total: IntCounterVec ["route", "status"],
    /// Seconds from a request's head to its answer's head, by outcome: ok (2xx, 3xx), refused (4xx), failed (5xx).
    http_request_seconds: HistogramVec (SECONDS) ["route", "outcome"],
    /// Requests under way, without those to the ops endpoints.
    in_flight_requests: IntGauge,
    /// Requests refused because IN_FLIGHT_MAX others were under way.
    in_flight_limit_hits_total: IntCounter,
    /// Connections that clients hold to this copy.
    connections: IntGauge,
    /// Connections that took the last place of CONNECTIONS_MAX: until one closes, others wait in the backlog.
    connections_limit_hits_total: IntCounter,
    /// Orders asked for, by what became of them: accepted, reserved, replayed, or the code of the refusal.
    orders_total: IntCounterVec ["outcome"] {
        "accepted", "reserved", "replayed", "unknown_product", "sale_not_open", "sale_closed", "sold_out", "insufficient_stock",
        "user_limit_reached", "idempotency_key_reused", "overloaded", "unavailable",
    },
    /// Different buyers who ordered from this copy in the last full minute, estimated; one who orders from several copies is counted by each.
    active_buyers: IntGauge,
    /// Sales that take orders now, as the copy that sweeps saw them last; 0 on the others.
    open_sales: IntGauge,
    /// Units of those sales in all.
    open_sales_units: IntGauge,
    /// Units of those sales that are not taken.
    open_sales_units_remaining: IntGauge,
    /// Orders refused without asking Redis: the sale was known to be sold out, over, or not open yet.
    refused_from_memory_total: IntCounter,
    /// Times the orders of a sold-out sale were not read into memory because there would have been more than SOLD_OUT_ORDERS_MAX.
    sold_out_orders_limit_hits_total: IntCounter,
    /// Answers to GET /products/{id}, by where the sale was looked up: memory or redis.
    sale_snapshot_reads_total: IntCounterVec ["source"] {"memory", "redis"},
    /// Orders that went to Redis in one call.
    orders_per_call: Histogram ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
    /// Orders refused because Redis has lost acknowledged writes (it stands below the high-water mark) or the whole sale, or because the sale is being rebuilt.
    redis_lost_writes_total: IntCounter,
    /// Times this copy let a sale go on in a Redis that had lost acknowledged writes (ON_REDIS_LOSS=continue).
    redis_loss_continued_total: IntCounter,
    /// Seconds from handing a message to the producer until Kafka acknowledged it.
    publish_seconds: Histogram (SECONDS),
    /// Messages handed to the producer, by how that ended: acknowledged, failed, refused (the producer's queue was full).
    publishes_total: IntCounterVec ["outcome"] {"acknowledged", "failed", "refused"},
    /// Orders that were answered `reserved` because Kafka took longer than PUBLISH_WAIT_MS.
    publish_wait_timeouts_total: IntCounter,
    /// 1 while this copy answers `reserved` at once because Kafka does not acknowledge, else 0.
    publisher_circuit_open: IntGauge,
    /// Outbox entries of all sales, as the copy that sweeps saw them last; 0 on the others.
    outbox_entries: IntGauge,
    /// Seconds since what waits longest in any outbox was asked for, as the copy that sweeps saw it last; 0 where nothing waits, and on the others.
    outbox_oldest_seconds: Gauge,
    /// Outbox entries cleared after Kafka had acknowledged them.
    outbox_acked_total: IntCounter,
    /// Acknowledged entries left to the relay because the queue of the acker was full.
    outbox_ack_queue_full_total: IntCounter,
    /// Outbox entries that a sweep published again.
    outbox_republished_total: IntCounter,
    /// Sweeps that were given up because Redis did not answer, and sales that could not be swept, counted at every sweep.
    outbox_relay_failures_total: IntCounter,
    /// Outbox entries whose order record Redis has lost, counted at every sweep.
    outbox_unreadable_total: IntCounter,
    /// Orders refused because the outbox of their sale was at OUTBOX_MAX.
    outbox_full_total: IntCounter,
    /// Times a Kafka client that had lost all its brokers was told of them again.
    kafka_clients_recovered_total: IntCounter,
    /// Seconds that one read of PostgreSQL took, waiting for a connection included.
    ledger_read_seconds: HistogramVec (SECONDS) ["read"] {"entry", "highest", "order"},
    /// Reads of PostgreSQL, by how they ended: ok, or silent (no usable answer in time).
    ledger_reads_total: IntCounterVec ["outcome"] {"ok", "silent"},
}
