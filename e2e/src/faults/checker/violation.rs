use std::fmt;

use fluxgate_domain::ids::OrderId;

use crate::answer::Status;

/// One thing that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Violation {
    /// An order was promised and is neither a row nor a dead letter. `accepted`: it was said to be
    /// on Kafka, so that not even a Redis that lost data excuses it.
    Lost { id: OrderId, accepted: bool },
    /// A promised order ended without units.
    Rejected { id: OrderId },
    /// A row differs from what was asked for.
    Altered { id: OrderId },
    /// One key led to several orders.
    Doubled { user: String, ids: Vec<OrderId> },
    /// Several answers to one key claim to be the first.
    Unmarked { user: String, times: usize },
    /// A key whose order was taken is refused later.
    Contradicted { user: String, code: String },
    /// A row that nobody was promised or left in doubt about.
    Unasked { id: OrderId },
    /// An answer that the contract does not have, or not here.
    Unexpected { asked: String, answer: String },
    /// A status was taken back.
    WentBack {
        id: OrderId,
        from: Status,
        to: Status,
    },
    /// An order has its row, and whoever followed it never saw that.
    NotFollowed { id: OrderId },
    /// A cancel was confirmed, and its row is not cancelled.
    CancelLost { id: OrderId },
    /// A row is cancelled, and nobody asked for that.
    CancelUnasked { id: OrderId },
    /// A restock or closing was confirmed and is not written as it was asked.
    ChangeLost { what: String },
    /// A restock or closing is written that nobody asked for.
    ChangeUnasked { what: String },
    /// A buyer who came after the closing was sold something.
    AfterClose { user: String },
    /// A buyer was told that nothing, or not enough, was left when there was.
    PhantomSellOut { user: String, left: i64 },
    /// More units were confirmed than there are.
    Oversold { confirmed: i64, total: i64 },
    /// Units that are neither left nor sold, or both.
    Stranded {
        total: i64,
        remaining: i64,
        confirmed: i64,
    },
    /// Numbers that Redis gave and that are not written exactly once.
    Numbers {
        missing: Vec<i64>,
        repeated: Vec<i64>,
        beyond: Vec<i64>,
    },
    /// Two places that must agree do not.
    Disagreement {
        what: &'static str,
        seen: i64,
        expected: i64,
    },
    /// A store does not know a sale.
    Missing { store: &'static str },
    /// Redis lost data, and no copy says so.
    UnreportedLoss,
    /// Questions without an answer however often they are asked.
    Undecided { questions: usize },
    /// New orders are not accepted and confirmed again.
    NotNormal { seconds: u64 },
    /// The flow does not come to rest.
    NotDrained { why: String },
    /// The reconciler's audit is not content.
    Audit { said: String },
    /// A service ended without having been told to.
    Died { service: String },
}

impl Violation {
    /// Whether a Redis that lost data, and reported it, explains this.
    pub fn is_explained_by_loss(&self) -> bool {
        match self {
            Self::Lost { accepted, .. } => !accepted,
            Self::Rejected { .. }
            // A key whose order was lost can be used for another quantity.
            | Self::Altered { .. }
            | Self::Unmarked { .. }
            | Self::Contradicted { .. }
            | Self::Unexpected { .. }
            | Self::WentBack { .. }
            | Self::AfterClose { .. }
            | Self::PhantomSellOut { .. }
            | Self::Stranded { .. }
            | Self::Numbers { .. }
            | Self::Missing { store: "Redis" }
            | Self::Undecided { .. }
            | Self::NotNormal { .. } => true,
            Self::Disagreement { what, .. } => what.contains("Redis"),
            _ => false,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { id, accepted } => {
                let promise = if *accepted { "accepted" } else { "reserved" };
                write!(f, "lost: {id} was {promise} and is nowhere")
            }
            Self::Rejected { id } => write!(f, "rejected: {id} was promised and got no units"),
            Self::Altered { id } => write!(f, "altered: the row of {id} is not what was asked"),
            Self::Doubled { user, ids } => {
                write!(f, "doubled: one key of {user} led to {}", list(ids))
            }
            Self::Unmarked { user, times } => {
                write!(f, "unmarked: {times} answers to {user} claim to be first")
            }
            Self::Contradicted { user, code } => {
                write!(f, "contradicted: {user} had an order and was told {code}")
            }
            Self::Unasked { id } => write!(f, "unasked: nobody can have ordered {id}"),
            Self::Unexpected { asked, answer } => {
                write!(f, "unexpected: {asked} was answered {answer}")
            }
            Self::WentBack { id, from, to } => {
                write!(f, "went back: {id} was {from:?} and then {to:?}")
            }
            Self::NotFollowed { id } => write!(f, "not followed: the end of {id} was never shown"),
            Self::CancelLost { id } => write!(f, "cancel lost: {id} was cancelled, its row is not"),
            Self::CancelUnasked { id } => write!(f, "cancelled unasked: {id}"),
            Self::ChangeLost { what } => write!(f, "change lost: {what}"),
            Self::ChangeUnasked { what } => write!(f, "change unasked: {what}"),
            Self::AfterClose { user } => write!(f, "sold after the closing: to {user}"),
            Self::PhantomSellOut { user, left } => {
                write!(f, "phantom sell-out: {user} was refused with {left} left")
            }
            Self::Oversold { confirmed, total } => {
                write!(f, "oversold: {confirmed} units confirmed of {total}")
            }
            Self::Stranded {
                total,
                remaining,
                confirmed,
            } => write!(
                f,
                "stranded: of {total} units {remaining} are left and {confirmed} confirmed"
            ),
            Self::Numbers {
                missing,
                repeated,
                beyond,
            } => write!(
                f,
                "numbers: missing {}, repeated {}, beyond the last {}",
                list(missing),
                list(repeated),
                list(beyond)
            ),
            Self::Disagreement {
                what,
                seen,
                expected,
            } => write!(f, "{what}: {seen}, should be {expected}"),
            Self::Missing { store } => write!(f, "{store} does not know the sale"),
            Self::UnreportedLoss => write!(f, "Redis lost data, and no copy says so"),
            Self::Undecided { questions } => write!(f, "{questions} questions stay undecided"),
            Self::NotNormal { seconds } => {
                write!(f, "service is not normal {seconds} s after the fault")
            }
            Self::NotDrained { why } => write!(f, "not drained: {why}"),
            Self::Audit { said } => write!(f, "audit: {said}"),
            Self::Died { service } => write!(f, "{service}"),
        }
    }
}

/// The first few, and how many there are.
fn list<T: fmt::Display>(all: &[T]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = all.iter().take(SHOWN).map(T::to_string).collect();
    let rest = match all.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("[{}{rest}]", shown.join(" "))
}
