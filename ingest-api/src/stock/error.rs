use fred::error::{Error, ErrorKind};

/// Why Redis gave no answer that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StockError {
    /// No connection, no answer in time, or an error reply. The command may have run.
    #[error("redis: {0}")]
    Unavailable(#[from] Error),
    /// Whoever made the call ended before it was answered. The command may have run.
    #[error("redis: the call was abandoned")]
    Abandoned,
    /// The order stands in Redis, but too few replicas have it in time.
    #[error("redis: {has} replicas have the order, {wanted} must")]
    TooFewReplicas {
        /// How many have it.
        has: i64,
        /// How many must.
        wanted: u8,
    },
    /// An answer that no version of our scripts gives.
    #[error("redis: expected {expected}, got {got}")]
    Unexpected {
        /// What the caller was waiting for.
        expected: &'static str,
        /// The beginning of what came.
        got: String,
    },
}

impl StockError {
    pub(super) fn unexpected(expected: &'static str, got: impl std::fmt::Debug) -> Self {
        let got = format!("{got:?}").chars().take(200).collect();
        Self::Unexpected { expected, got }
    }

    /// Whether nothing came in time.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(error) if *error.kind() == ErrorKind::Timeout)
    }

    /// Whether nothing was done because a Cluster is moving the sale's keys at this very moment, or because this
    /// connection does not know yet, or not any more, which node has them.
    pub(super) fn is_nodes_in_motion(&self) -> bool {
        matches!(self, Self::Unavailable(error)
            if *error.kind() == ErrorKind::Cluster || error.details().starts_with("TRYAGAIN"))
    }

    /// A few words for a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unexpected { .. } => "unexpected_reply",
            Self::Abandoned => "abandoned",
            Self::TooFewReplicas { .. } => "too_few_replicas",
            Self::Unavailable(error) => match error.kind() {
                ErrorKind::Timeout => "timeout",
                ErrorKind::IO | ErrorKind::Canceled => "connection",
                ErrorKind::Backpressure => "backpressure",
                _ if error.details().starts_with("OOM") => "out_of_memory",
                _ => "other",
            },
        }
    }
}
