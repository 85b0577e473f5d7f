//! What the checker reports, and what it means in a run whose fault may make Redis lose data.

use std::fmt::Display;

use fluxgate_domain::ids::OrderId;
use thiserror::Error;

use crate::answer::Status;

/// One thing that must not happen. Its text is the sentence that explains its fields.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// `accepted`: an answer said that the order is on Kafka, so that no loss of Redis data excuses it.
    #[error("lost: order {id} was answered {} and is in no store", if *accepted { "accepted" } else { "reserved" })]
    Lost { id: OrderId, accepted: bool },
    #[error("rejected: order {id} was answered 202 and has no units")]
    Rejected { id: OrderId },
    #[error("quantity differs: the row of order {id} is not what was asked for")]
    QuantityDiffers { id: OrderId },
    #[error("duplicate order: one key of {buyer} led to {}", list(ids))]
    DuplicateOrder { buyer: String, ids: Vec<OrderId> },
    #[error("first answers: {count} answers to {buyer} are not marked as replays")]
    FirstAnswers { buyer: String, count: usize },
    #[error("contradiction: {buyer} had an order and was answered {answer}")]
    Contradiction { buyer: String, answer: &'static str },
    #[error("unexplained row: no answer explains order {id}")]
    UnexplainedRow { id: OrderId },
    #[error("unexpected answer: {text}")]
    UnexpectedAnswer { text: String },
    #[error("status went back: order {id} was {from:?} and then {to:?}")]
    StatusWentBack {
        id: OrderId,
        from: Status,
        to: Status,
    },
    #[error("final status never shown: order {id} has its row")]
    FinalStatusNeverShown { id: OrderId },
    #[error("cancel lost: order {id} was cancelled, its row is not")]
    CancelLost { id: OrderId },
    #[error("unexplained cancel: no call asked to cancel order {id}")]
    UnexplainedCancel { id: OrderId },
    #[error("completion lost: order {id} was completed, its row is not")]
    CompletionLost { id: OrderId },
    #[error("unexplained completion: no call asked to complete order {id}")]
    UnexplainedCompletion { id: OrderId },
    #[error("completed and expired: order {id} has both in its row")]
    CompletedAndExpired { id: OrderId },
    #[error("expiry lost: order {id} was answered expired, its row is {status:?}")]
    ExpiryLost { id: OrderId, status: Status },
    #[error("unexplained expiry: order {id} did not have to be paid")]
    UnexplainedExpiry { id: OrderId },
    #[error("expired early: order {id} was answered expired within {after_ms} ms")]
    ExpiredEarly { id: OrderId, after_ms: u64 },
    #[error("change lost: {what}")]
    ChangeLost { what: String },
    #[error("unexplained change: no call asked for {what}")]
    UnexplainedChange { what: String },
    #[error("sold after close: {buyer} came after the closing and got an order")]
    SoldAfterClose { buyer: String },
    #[error("phantom sell-out: {buyer} was refused while {left} units were left")]
    PhantomSellOut { buyer: String, left: i64 },
    #[error("oversold: {confirmed} units are confirmed of {total}")]
    Oversold { confirmed: i64, total: i64 },
    #[error("stranded: of {total} units {remaining} are left and {confirmed} are confirmed")]
    Stranded {
        total: i64,
        remaining: i64,
        confirmed: i64,
    },
    #[error(
        "not conserved: of {total} units {remaining} are left, {held} are held and {completed} are completed"
    )]
    NotConserved {
        total: i64,
        remaining: i64,
        held: i64,
        completed: i64,
    },
    #[error(
        "sequence numbers: missing {}, repeated {}, beyond the last {}",
        list(missing),
        list(repeated),
        list(beyond)
    )]
    SequenceNumbers {
        missing: Vec<i64>,
        repeated: Vec<i64>,
        beyond: Vec<i64>,
    },
    #[error("disagreement: {what}: {seen}, should be {expected}")]
    Disagreement {
        what: &'static str,
        seen: i64,
        expected: i64,
    },
    #[error("sale missing: {store} does not have it")]
    SaleMissing { store: &'static str },
    #[error("unreported loss: Redis lost data, and no instance reported it")]
    UnreportedLoss,
    #[error("false loss report: instances report a loss in Redis, and the fault causes none")]
    FalseLossReport,
    #[error(
        "undecided: {requests} requests have no decisive answer, however often they are repeated"
    )]
    Undecided { requests: usize },
    #[error("not recovered: new orders are not confirmed {seconds} s after the fault")]
    NotRecovered { seconds: u64 },
    #[error("not drained: {why}")]
    NotDrained { why: String },
    #[error("halted: no worker reads partitions {}", list(partitions))]
    Halted { partitions: Vec<i32> },
    #[error("audit: {output}")]
    Audit { output: String },
    #[error("service ended by itself: {service}")]
    ServiceEnded { service: String },
}

impl Violation {
    /// Whether a loss of Redis data explains it, once the loss was reported.
    pub fn is_explained_by_loss(&self) -> bool {
        match self {
            Self::Lost { accepted, .. } => !accepted,
            Self::Rejected { .. }
            // A key whose order was lost can be used for another quantity.
            | Self::QuantityDiffers { .. }
            | Self::FirstAnswers { .. }
            | Self::Contradiction { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::StatusWentBack { .. }
            | Self::SoldAfterClose { .. }
            | Self::PhantomSellOut { .. }
            | Self::Stranded { .. }
            | Self::NotConserved { .. }
            // Redis had decided it, and its event was not on Kafka yet.
            | Self::CompletedAndExpired { .. }
            | Self::ExpiryLost { .. }
            | Self::SequenceNumbers { .. }
            | Self::SaleMissing { store: "Redis" } => true,
            Self::Disagreement { what, .. } => what.contains("Redis"),
            _ => self.ends_with_rebuild(),
        }
    }

    /// Whether only a sale that stays stopped explains it.
    fn ends_with_rebuild(&self) -> bool {
        matches!(self, Self::Undecided { .. } | Self::NotRecovered { .. })
    }
}

/// What a run's fault may excuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Whether the fault may make Redis lose acknowledged writes.
    pub possible: bool,
    /// Whether an instance reported a loss.
    pub reported: bool,
    /// Whether the sales were rebuilt afterwards.
    pub rebuilt: bool,
}

/// The promises that a run broke: a loss excuses violations only where the fault may cause it and an instance
/// reported it.
pub fn judge(mut violations: Vec<Violation>, loss: Loss) -> Vec<Violation> {
    match (loss.possible, loss.reported) {
        (false, true) => violations.push(Violation::FalseLossReport),
        (true, true) => violations
            .retain(|it| !it.is_explained_by_loss() || (loss.rebuilt && it.ends_with_rebuild())),
        (true, false) if violations.iter().any(Violation::is_explained_by_loss) => {
            violations.insert(0, Violation::UnreportedLoss);
        }
        (_, false) => {}
    }
    violations
}

/// The first few, and how many more there are.
fn list<T: Display>(all: &[T]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = all.iter().take(SHOWN).map(T::to_string).collect();
    let rest = match all.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("[{}{rest}]", shown.join(" "))
}
