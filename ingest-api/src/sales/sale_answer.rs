use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{
    AdmitPerSecond, OrdersPerSecond, OrdersPerUser, Overbook, ProductId, QueueMode, Total,
    TurnSeconds,
};
use fluxgate_gate::SaleView;
use jiff::Timestamp;
use serde::Serialize;

/// A sale, as `GET /products/{id}` answers it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleAnswer {
    product_id: ProductId,
    total: Total,
    remaining: u32,
    status: &'static str,
    opens_at: Timestamp,
    closes_at: Option<Timestamp>,
    per_user_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orders_per_second: Option<OrdersPerSecond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orders_per_user: Option<OrdersPerUser>,
    #[serde(flatten)]
    holds: Option<HoldsAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueAnswer>,
    #[serde(skip)]
    amended: Option<SequenceNumber>,
    #[serde(skip)]
    queue_changed: Option<SequenceNumber>,
}

/// What is said about holds, with the defaults.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HoldsAnswer {
    hold_seconds: i64,
    hold_grace_seconds: i64,
    unpaid_per_user: u32,
    buyer_cancel: bool,
    held: u32,
}

/// How the queue is served, with the defaults, and the promise of its seed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueAnswer {
    join_from: Option<Timestamp>,
    join_until: Option<Timestamp>,
    mode: QueueMode,
    paused: bool,
    admit_per_second: AdmitPerSecond,
    turn_seconds: TurnSeconds,
    overbook: Overbook,
    #[serde(with = "hex")]
    seed_sha256: [u8; 32],
}

impl SaleAnswer {
    /// A text that differs whenever the answer does. What can change: three fields, the units that are held, the terms of an amended
    /// sale, and how its queue is served.
    pub fn version(&self) -> String {
        let mut version = format!("{}.{}.{}", self.total.get(), self.remaining, self.status);
        if let Some(holds) = &self.holds {
            version += &format!(".{}", holds.held);
        }
        if let Some(number) = self.amended {
            version += &format!(".{number}");
        }
        if let Some(number) = self.queue_changed {
            version += &format!(".q{number}");
        }
        version
    }

    /// Whether the sale takes no orders any more.
    pub fn is_closed(&self) -> bool {
        self.status == CLOSED
    }
}

impl From<SaleView> for SaleAnswer {
    fn from(view: SaleView) -> Self {
        Self {
            status: status(&view),
            holds: HoldsAnswer::of(&view),
            queue: QueueAnswer::of(&view),
            amended: view.amended,
            queue_changed: view.queue_change.as_ref().map(|change| change.number),
            product_id: view.facts.product,
            total: view.total,
            remaining: view.remaining,
            opens_at: view.facts.opens_at,
            closes_at: view.facts.closes_at,
            per_user_limit: view.facts.per_user_limit,
            orders_per_second: view.terms.orders_per_second,
            orders_per_user: view.terms.orders_per_user,
        }
    }
}

impl HoldsAnswer {
    fn of(view: &SaleView) -> Option<Self> {
        let holds = view.terms.holds()?;
        Some(Self {
            hold_seconds: holds.hold.as_secs(),
            hold_grace_seconds: holds.grace.as_secs(),
            unpaid_per_user: holds.unpaid_per_user.get(),
            buyer_cancel: holds.buyer_cancel,
            held: view.held()?,
        })
    }
}

impl QueueAnswer {
    fn of(view: &SaleView) -> Option<Self> {
        let queue = view.terms.queue?;
        let change = view.queue_change.as_deref();
        let set = change.map(|change| change.settings).unwrap_or_default();
        Some(Self {
            join_from: queue.join_from,
            join_until: queue.join_until,
            mode: set.mode,
            paused: set.paused,
            admit_per_second: set.admit_per_second.unwrap_or(queue.admit_per_second),
            turn_seconds: queue.turn_seconds_or_default(),
            overbook: queue.overbook_or_default(),
            seed_sha256: queue.seed_sha256,
        })
    }
}

const CLOSED: &str = "closed";

fn status(view: &SaleView) -> &'static str {
    let facts = &view.facts;
    if view.closed || facts.closes_at.is_some_and(|at| at <= view.seen_at) {
        CLOSED
    } else if view.opening || facts.opens_at > view.seen_at {
        "scheduled"
    } else if view.remaining == 0 && view.held().is_some_and(|held| held > 0) {
        "all_held"
    } else if view.remaining == 0 {
        "sold_out"
    } else {
        "open"
    }
}
