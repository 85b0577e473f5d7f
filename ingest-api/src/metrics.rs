//! The metrics of the service. The comment of a field is its HELP text.

use std::cell::RefCell;

use fluxgate_service::metrics::CALL_SECONDS;
use prometheus::IntCounter;

/// The counters of one metric with one label, for one thread. Each is looked up once, because a lookup costs more than an
/// increment.
pub struct Counters<L> {
    find: Box<dyn Fn(L) -> IntCounter>,
    found: RefCell<Vec<(L, IntCounter)>>,
}

impl<L: Copy + PartialEq> Counters<L> {
    /// Counters that `find` looks up.
    pub fn new(find: impl Fn(L) -> IntCounter + 'static) -> Self {
        Self {
            find: Box::new(find),
            found: RefCell::default(),
        }
    }

    /// Increments the counter of `label`.
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
    /// Responses, by route and status.
    http_requests_total: IntCounterVec ["route", "status"],
    /// Time in seconds from the end of the request to the response head, by route and outcome: ok (2xx, 3xx), refused (4xx), failed (5xx).
    http_request_seconds: HistogramVec (CALL_SECONDS) ["route", "outcome"],
    /// Requests in flight, excluding those to the ops endpoints and those whose body has not arrived.
    in_flight_requests: IntGauge,
    /// Requests refused because IN_FLIGHT_MAX requests were in flight.
    in_flight_limit_hits_total: IntCounter,
    /// Bytes held of request bodies that have not arrived completely.
    incomplete_body_bytes: IntGauge,
    /// Requests refused because of their body, by limit: bytes (BODY_LIMIT_BYTES), time (BODY_TIMEOUT_MS), memory (64 MiB of
    /// incomplete bodies).
    body_limit_hits_total: IntCounterVec ["limit"] {"bytes", "time", "memory"},
    /// Requests refused because of who sends them, by code. unavailable: no key that verifies tokens has been loaded yet.
    access_refusals_total: IntCounterVec ["code"] {
        "unauthorized", "invalid_token", "token_expired", "insufficient_scope", "user_mismatch", "origin_not_allowed",
        "admin_disabled", "unavailable",
    },
    /// Tries refused with 429, by limit: address (RATE_LIMIT_PER_ADDRESS), user (RATE_LIMIT_PER_USER).
    rate_limit_hits_total: IntCounterVec ["limit"] {"address", "user"},
    /// Addresses and users that lost their count of tries to others because RATE_LIMIT_KEYS_MAX is too small, by limit. Each may use its whole quota again.
    rate_limit_evictions_total: IntCounterVec ["limit"] {"address", "user"},
    /// Tries to order or to join a queue whose X-Forwarded-For could not be read. They count for the address of the proxy.
    forwarded_for_unreadable_total: IntCounter,
    /// Order requests, by outcome: accepted, reserved, replayed, or the code of the refusal.
    orders_total: IntCounterVec ["outcome"] {
        "accepted", "reserved", "replayed", "unknown_product", "sale_not_open", "sale_closed", "sold_out", "insufficient_stock",
        "user_limit_reached", "unpaid_limit_reached", "ticket_required", "invalid_ticket", "not_your_turn", "turn_over", "rate_limited", "idempotency_key_reused", "order_cancelled", "order_expired",
        "order_rejected", "overloaded", "queue_secret_missing", "no_queue", "unavailable",
    },
    /// People who joined a queue, by when: early (before its start), late.
    queue_joins_total: IntCounterVec ["joined"] {"early", "late"},
    /// Requests refused because of a limit of the queues, by limit: joins (20,000 people of a sale wait to join), join_wait (a join has waited
    /// for 2 s), late_joins (20,000 joins of started queues wait for Redis), queues (1,000 queues of sales that are not closed are served).
    queue_limit_hits_total: IntCounterVec ["limit"] {"joins", "join_wait", "late_joins", "queues"},
    /// Joins of started queues that were forgotten within a minute, because an instance remembers at most 100,000. Their users can join again.
    recent_joins_evictions_total: IntCounter,
    /// Queues whose turn clock has not advanced for 10 s on this instance, although the sale is open, units are left and people wait.
    queues_stalled: IntGauge,
    /// Sales that are not over and whose queue this instance cannot serve, because QUEUE_SECRETS lacks their secret. The instance is not ready.
    sales_without_queue_secret: IntGauge,
    /// Estimated number of distinct buyers who sent orders to this instance in the last full minute.
    active_buyers: IntGauge,
    /// Sales that take orders. Set by the relay leader; absent elsewhere, and while Redis does not answer.
    open_sales: IntGaugeVec [],
    /// Total units of the open sales. Set by the relay leader; absent elsewhere, and while Redis does not answer.
    open_sales_units: IntGaugeVec [],
    /// Remaining units of the open sales. Set by the relay leader; absent elsewhere, and while Redis does not answer.
    open_sales_units_remaining: IntGaugeVec [],
    /// Orders refused from the sold-out cache, without a Redis call.
    refused_from_memory_total: IntCounter,
    /// Attempts to cache the orders of a sold-out sale that would have exceeded SOLD_OUT_ORDERS_MAX.
    sold_out_orders_limit_hits_total: IntCounter,
    /// Snapshots of sales read for GET /products/{id} and when event streams are opened, by source: memory, redis.
    sale_snapshot_reads_total: IntCounterVec ["source"] {"memory", "redis"},
    /// Open event streams.
    event_streams: IntGauge,
    /// Event streams refused because STREAMS_MAX were open.
    event_streams_limit_hits_total: IntCounter,
    /// Views of sales sent over event streams.
    sale_events_total: IntCounter,
    /// Orders per Redis call, of all sales that share the call.
    orders_per_call: Histogram ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
    /// Orders refused because IN_FLIGHT_MAX orders waited for Redis on one HTTP thread.
    reservation_queue_full_total: IntCounter,
    /// Orders that were dropped before they were sent to Redis, because their clients had disconnected.
    reservations_dropped_total: IntCounter,
    /// Keys per combined read, by read: order_records (Redis), order_rows and sale_rows (PostgreSQL), unknown_order_rows and unknown_sale_rows (PostgreSQL, for ids that Redis does not have).
    keys_per_read: HistogramVec ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]) ["read"],
    /// Reads refused because too many were waiting, by read.
    read_queue_full_total: IntCounterVec ["read"] {
        "order_records", "order_rows", "unknown_order_rows", "sale_rows", "unknown_sale_rows",
    },
    /// Calls that found Redis behind: orders and joins refused because Redis has lost data of the sale or the sale is being rebuilt, and reads of
    /// the queue of a sale that has lost writes, also while nobody orders.
    redis_lost_writes_total: IntCounter,
    /// Sales that this instance continued after Redis had lost acknowledged writes (ON_REDIS_LOSS=continue).
    redis_loss_continued_total: IntCounter,
    /// Redis nodes whose maxmemory-policy is not noeviction. An evicted key stops its sale. Absent while it is unknown.
    redis_nodes_evicting: IntGaugeVec [],
    /// Sales of which Redis lacks a key. They sell nothing until they are rebuilt. Set by the relay leader; absent elsewhere, and while Redis does not answer.
    sales_incomplete: IntGaugeVec [],
    /// Sales put back into the index of the outbox relay, from which Redis had lost them.
    sales_reindexed_total: IntCounter,
    /// Outbox entries across all sales, each of one event or of the orders of one call. Set by the relay leader; absent elsewhere, and while Redis does not answer.
    outbox_entries: IntGaugeVec [],
    /// Age in seconds of the oldest outbox entry. Set by the relay leader; absent elsewhere, and while Redis does not answer.
    outbox_oldest_seconds: GaugeVec [],
    /// Outbox entries removed after Kafka acknowledged all their events.
    outbox_acked_total: IntCounter,
    /// Acknowledged events left to the relay because the acker's queue was full.
    outbox_ack_queue_full_total: IntCounter,
    /// Events in outboxes republished by the relay.
    outbox_republished_total: IntCounter,
    /// Relay passes that failed, and sales that a pass skipped because of an error.
    outbox_relay_failures_total: IntCounter,
    /// Events in outboxes whose record Redis has lost; every relay pass counts them again.
    outbox_unreadable_total: IntCounter,
    /// Orders refused because the sale's outbox was at OUTBOX_MAX.
    outbox_full_total: IntCounter,
    /// Changes refused because the sale's outbox was at OUTBOX_MAX + 10,000.
    outbox_changes_full_total: IntCounter,
    /// Orders that expired because they were not paid in time.
    orders_expired_total: IntCounter,
    /// Age in seconds of the oldest hold that has ended and has no grace left. Set by the instance that lets orders expire; absent elsewhere, and while Redis does not answer.
    hold_expiry_lateness_seconds: GaugeVec [],
    /// Sales whose orders do not expire, by reason: clock (the clocks of Redis and of the instance differ by more than 5 s), paused
    /// (for the time of one grace after nobody has looked for 10 s), ledger (PostgreSQL is unavailable, or the worker is behind), kafka, redis,
    /// outbox (it is at half of OUTBOX_MAX). Set by the instance that lets orders expire; absent elsewhere, and while Redis does not answer.
    hold_expiry_blocked: IntGaugeVec ["reason"],
    /// Expiry passes that failed, and sales that a pass could not look at.
    hold_expiry_failures_total: IntCounter,
}
