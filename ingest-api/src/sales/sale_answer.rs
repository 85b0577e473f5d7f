use fluxgate_domain::ids::{
    AdmitPerSecond, OrdersPerSecond, OrdersPerUser, Overbook, ProductId, Total, TurnSeconds,
};
use fluxgate_domain::{QueueTerms, SequenceNumber};
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

/// What is said about the queue, with the defaults, and the promise of its seed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueAnswer {
    join_from: Option<Timestamp>,
    join_until: Option<Timestamp>,
    admit_per_second: AdmitPerSecond,
    turn_seconds: TurnSeconds,
    overbook: Overbook,
    #[serde(with = "hex")]
    seed_sha256: [u8; 32],
}

impl SaleAnswer {
    /// A text that differs whenever the answer does. What can change: three fields, the units that are held, and the terms of
    /// an amended sale.
    pub fn version(&self) -> String {
        let mut version = format!("{}.{}.{}", self.total.get(), self.remaining, self.status);
        if let Some(holds) = &self.holds {
            version += &format!(".{}", holds.held);
        }
        if let Some(number) = self.amended {
            version += &format!(".{number}");
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
            queue: view.terms.queue.map(QueueAnswer::from),
            amended: view.amended,
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

impl From<QueueTerms> for QueueAnswer {
    fn from(queue: QueueTerms) -> Self {
        Self {
            join_from: queue.join_from,
            join_until: queue.join_until,
            admit_per_second: queue.admit_per_second,
            turn_seconds: queue.turn_seconds_or_default(),
            overbook: queue.overbook_or_default(),
            seed_sha256: queue.seed_sha256,
        }
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
