//! Which connections are of no more use after an error. SQLSTATEs are classified here and in `error.rs` only.

use std::error::Error;

use tokio_postgres::types::WrongType;

use crate::LedgerError;

/// Why a connection is closed instead of being used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It did not answer in time: its state is unknown.
    Timeout,
    /// Its session takes no writes, and never will: it was made while `default_transaction_read_only` was on, or its
    /// server is now a standby.
    ReadOnly,
    /// Its prepared statements no longer fit the schema, or PostgreSQL does not know them.
    StalePlan,
    /// PostgreSQL or the network has ended it.
    Ended,
    /// Any other error that is not known to leave the session usable.
    Other,
}

impl Closing {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::Timeout,
        Self::ReadOnly,
        Self::StalePlan,
        Self::Ended,
        Self::Other,
    ];

    /// Whether a connection has to be closed after `error`; `None` if it can be used again.
    pub fn after(error: &LedgerError) -> Option<Self> {
        match error {
            LedgerError::Timeout => Some(Self::Timeout),
            LedgerError::Other(error) => match error.code() {
                Some(code) => Self::after_sqlstate(code.code()),
                None if is_of_another_type(error) => Some(Self::StalePlan),
                None => Some(Self::Ended),
            },
            LedgerError::CopyNotStarted(_) => Some(Self::Other),
            // No connection was made, or PostgreSQL has answered what it was asked.
            LedgerError::Pool(_)
            | LedgerError::PositionMismatch(_)
            | LedgerError::Data(_)
            | LedgerError::CopyRefused(_)
            | LedgerError::NotConfirmed
            | LedgerError::BeyondTotal
            | LedgerError::Encoding(_)
            | LedgerError::Refused(_)
            | LedgerError::Unreadable(_) => None,
        }
    }

    /// A list of what is known to be harmless: an unknown code costs a new connection, never a stuck partition.
    fn after_sqlstate(code: &str) -> Option<Self> {
        match code {
            "25006" => Some(Self::ReadOnly),
            // "cached plan must not change result type"; a prepared statement that is missing or exists already, or a
            // protocol violation, as behind a pooler that gives the session another server.
            "0A000" | "26000" | "42P05" | "08P01" => Some(Self::StalePlan),
            // Cancelled; a right or a table is missing, which every new session would see as well.
            "57014" | "42501" | "42P01" => None,
            _ => match &code[..code.len().min(2)] {
                "08" | "57" => Some(Self::Ended),
                // Data, constraints, conflicts, resources, limits, locks.
                "22" | "23" | "40" | "53" | "54" | "55" => None,
                _ => Some(Self::Other),
            },
        }
    }

    /// The value of a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::ReadOnly => "read_only",
            Self::StalePlan => "stale_plan",
            Self::Ended => "ended",
            Self::Other => "other",
        }
    }
}

/// Whether a column has another type than the caller expects.
fn is_of_another_type(error: &tokio_postgres::Error) -> bool {
    error
        .source()
        .is_some_and(|source| source.is::<WrongType>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_leave_the_session_usable_keep_the_connection() {
        for (code, closing) in [
            ("25006", Some(Closing::ReadOnly)),
            ("0A000", Some(Closing::StalePlan)),
            ("26000", Some(Closing::StalePlan)),
            ("57P01", Some(Closing::Ended)),
            ("08006", Some(Closing::Ended)),
            ("25P02", Some(Closing::Other)),
            ("XX000", Some(Closing::Other)),
            ("57014", None),
            ("40001", None),
            ("53100", None),
            ("42501", None),
        ] {
            assert_eq!(Closing::after_sqlstate(code), closing, "{code}");
        }
        assert_eq!(
            Closing::after(&LedgerError::Timeout),
            Some(Closing::Timeout)
        );
        assert_eq!(Closing::after(&LedgerError::BeyondTotal), None);
    }
}
