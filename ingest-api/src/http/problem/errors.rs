//! Which problem an error is.

use std::time::Duration;

use super::{Kind, Problem, QueueWait};
use crate::identity::TokenError;
use crate::orders::{Refusal, StatusError};
use crate::queue::{QueueError, WorkError};
use crate::sales::{ChangeError, OpenError, SaleLookupError};

/// The longest `Retry-After` of an order whose turn has not begun: the pace may change.
const TURN_RETRY_SECONDS_MAX: u64 = 60;

impl Problem {
    fn with_wait(mut self, ahead: Option<u64>, estimate: Option<Duration>) -> Self {
        let estimate_seconds = estimate.map(|it| it.as_secs());
        let retry_after = estimate_seconds.unwrap_or(TURN_RETRY_SECONDS_MAX);
        self.retry_after_seconds = Some(retry_after.clamp(1, TURN_RETRY_SECONDS_MAX));
        self.wait = Some(Box::new(QueueWait {
            ahead,
            estimate_seconds,
        }));
        self
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let kind = match error {
            TokenError::NoKeys => Kind::Unavailable,
            TokenError::Expired => Kind::TokenExpired,
            _ => Kind::InvalidToken,
        };
        Self::new(kind, format_args!("the token is not accepted: {error}"))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Queue(error) = refusal {
            return (*error).into();
        }
        let kind = match &refusal {
            Refusal::UnknownProduct => Kind::UnknownProduct,
            Refusal::NotOpen { .. } => Kind::SaleNotOpen,
            Refusal::Closed => Kind::SaleClosed,
            Refusal::SoldOut => Kind::SoldOut,
            Refusal::Insufficient => Kind::InsufficientStock,
            Refusal::UserLimit => Kind::UserLimitReached,
            Refusal::UnpaidLimit => Kind::UnpaidLimitReached,
            Refusal::KeyReused => Kind::KeyReused,
            Refusal::Cancelled { .. } => Kind::OrderCancelled,
            Refusal::Expired { .. } => Kind::OrderExpired,
            Refusal::Rejected { .. } => Kind::OrderRejected,
            Refusal::RateLimited { .. } | Refusal::UserRateLimited { .. } => Kind::RateLimited,
            Refusal::TicketMissing => Kind::TicketRequired,
            Refusal::TicketInvalid => Kind::InvalidTicket,
            Refusal::NotYourTurn { .. } => Kind::NotYourTurn,
            Refusal::TurnOver => Kind::TurnOver,
            Refusal::OutboxFull | Refusal::QueueFull => Kind::Overloaded,
            Refusal::Queue(_)
            | Refusal::RedisBehind
            | Refusal::Undecided
            | Refusal::Unanswered { .. }
            | Refusal::Gate(_) => Kind::Unavailable,
        };
        let mut problem = Self::new(kind, &refusal);
        if let Refusal::NotOpen {
            opens_in_ms: wait_ms,
        }
        | Refusal::RateLimited { wait_ms }
        | Refusal::UserRateLimited { wait_ms } = refusal
        {
            problem.retry_after_seconds = Some(wait_ms.div_ceil(1_000).max(1));
        }
        if let Refusal::NotYourTurn { ahead, estimate } = refusal {
            problem = problem.with_wait(ahead, estimate);
        }
        if let Refusal::Unanswered { order_id, .. }
        | Refusal::Cancelled { order_id }
        | Refusal::Expired { order_id }
        | Refusal::Rejected { order_id } = refusal
        {
            problem = problem.about(order_id);
        }
        problem
    }
}

impl From<SaleLookupError> for Problem {
    fn from(error: SaleLookupError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::DotSegment => Kind::InvalidRequest,
            OpenError::Exists(_) | OpenError::HasOrders(_) | OpenError::HasJoins(_) => {
                Kind::SaleExists
            }
            OpenError::Closed(_) => Kind::SaleClosed,
            OpenError::FeatureDisabled { .. } => Kind::FeatureDisabled,
            OpenError::RebuildRequired => Kind::RebuildRequired,
            OpenError::Overtaken
            | OpenError::Undecided
            | OpenError::NotPublished
            | OpenError::Gate(_) => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let kind = match error {
            ChangeError::Sale(error) => return error.into(),
            ChangeError::UnknownOrder => Kind::UnknownOrder,
            ChangeError::NotOpen => Kind::SaleNotOpen,
            ChangeError::Closed => Kind::SaleClosed,
            ChangeError::NoQueue => Kind::NoQueue,
            ChangeError::Rejected => Kind::OrderRejected,
            ChangeError::Expired => Kind::OrderExpired,
            ChangeError::Cancelled => Kind::OrderCancelled,
            ChangeError::NotAllowed | ChangeError::NoHold => Kind::NoHold,
            ChangeError::TooMany => Kind::InvalidRequest,
            ChangeError::KeyReused => Kind::KeyReused,
            ChangeError::OutboxFull => Kind::Overloaded,
            ChangeError::RedisBehind
            | ChangeError::NotPublished
            | ChangeError::NotWritten
            | ChangeError::Gate(_) => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}

impl From<StatusError> for Problem {
    fn from(error: StatusError) -> Self {
        let kind = match &error {
            StatusError::Unknown => Kind::UnknownOrder,
            StatusError::Ledger(_) | StatusError::Gate(_) => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        let kind = Kind::of_code(error.code());
        let mut problem = Self::new(kind, &error);
        if let QueueError::NotOpen { opens_in } = error {
            let seconds = u64::try_from(opens_in.as_millis().div_ceil(1_000));
            problem.retry_after_seconds = Some(seconds.unwrap_or(u64::MAX).max(1));
        }
        problem
    }
}

impl From<WorkError> for Problem {
    fn from(error: WorkError) -> Self {
        let kind = match error {
            WorkError::Missing => Kind::WorkRequired,
            WorkError::Invalid => Kind::InvalidWork,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_gate::GateError;

    use super::*;

    #[test]
    fn an_order_that_its_queue_refuses_is_counted_under_the_code_that_is_answered() {
        let errors = [
            (QueueError::NoQueue, "no_queue"),
            (
                QueueError::NotOpen {
                    opens_in: Duration::ZERO,
                },
                "join_not_open",
            ),
            (QueueError::Ended, "join_ended"),
            (QueueError::Closed, "sale_closed"),
            (QueueError::Overloaded, "overloaded"),
            (QueueError::NoSecret, "queue_secret_missing"),
            (QueueError::Stale, "unavailable"),
            (QueueError::RedisBehind, "unavailable"),
            (QueueError::Gate(GateError::Abandoned), "unavailable"),
        ];
        for (error, code) in errors {
            let refusal = Refusal::from(Box::new(error));
            assert_eq!(refusal.code(), code);
            assert_eq!(Problem::from(refusal).code(), code);
        }
    }
}
