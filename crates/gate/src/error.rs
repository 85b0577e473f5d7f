use fluxgate_domain::records::MalformedRecord;
use fred::error::{Error, ErrorKind};

/// Why Redis gave no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GateError {
    /// No connection, no reply in time, or an error reply. The command may have run.
    #[error("Redis: {0}")]
    Unavailable(#[from] Error),
    /// The task that made the call ended before the reply. The command may have run.
    #[error("Redis: the task that made the call ended")]
    Abandoned,
    /// More reads wait for Redis than may wait.
    #[error("Redis: too many reads are waiting")]
    TooManyReads,
    /// The order is in Redis, but too few replicas acknowledged it in time.
    #[error("Redis: {has} of {wanted} required replicas acknowledged the order in time")]
    TooFewReplicas {
        /// Replicas that acknowledged.
        has: i64,
        /// Replicas required (REDIS_WAIT_REPLICAS).
        wanted: u8,
    },
    /// A reply that none of the scripts gives.
    #[error("Redis: expected {expected}, got {got}")]
    Unexpected {
        /// What the caller expected.
        expected: &'static str,
        /// The beginning of the reply.
        got: String,
    },
}

impl From<MalformedRecord> for GateError {
    fn from(error: MalformedRecord) -> Self {
        Self::Unexpected {
            expected: error.kind,
            got: error.text,
        }
    }
}

impl GateError {
    pub(crate) fn unexpected(expected: &'static str, got: impl std::fmt::Debug) -> Self {
        let got = format!("{got:?}").chars().take(200).collect();
        Self::Unexpected { expected, got }
    }

    /// Whether another master may have the key by now.
    pub(crate) fn casts_doubt(&self) -> bool {
        let Self::Unavailable(error) = self else {
            return false;
        };
        let kinds = [ErrorKind::Timeout, ErrorKind::IO, ErrorKind::Cluster];
        kinds.contains(error.kind()) || error.details().starts_with("READONLY")
    }

    /// The address of the node to ask, where a Cluster is moving the key's slot: `ASK <slot> <address>`.
    pub(crate) fn asked_address(&self) -> Option<&str> {
        let Self::Unavailable(error) = self else {
            return None;
        };
        let address = error.details().strip_prefix("ASK ")?;
        Some(address.split_once(' ')?.1)
    }

    /// Whether the command did not run because a Cluster is moving the sale's slot, or because this connection does not
    /// know which node has it.
    pub(crate) fn is_slot_moving(&self) -> bool {
        matches!(self, Self::Unavailable(error)
            if *error.kind() == ErrorKind::Cluster || error.details().starts_with("TRYAGAIN"))
    }

    /// Whether Redis is out of memory.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.details().starts_with("OOM"))
    }

    /// Whether Redis answered and what it has is at fault: a key of another type, or a text that none of us wrote.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Unexpected { .. } => true,
            Self::Unavailable(error) => error.details().contains("WRONGTYPE"),
            _ => false,
        }
    }

    /// The value of the label `kind` of `redis_errors_total`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unexpected { .. } => "unexpected_reply",
            Self::Abandoned => "abandoned",
            Self::TooManyReads => "backpressure",
            Self::TooFewReplicas { .. } => "too_few_replicas",
            Self::Unavailable(error) => match error.kind() {
                ErrorKind::Timeout => "timeout",
                ErrorKind::IO | ErrorKind::Canceled => "connection",
                ErrorKind::Backpressure => "backpressure",
                _ if self.is_out_of_memory() => "out_of_memory",
                _ => "other",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_slot_names_the_node_to_ask() {
        let error = |details| GateError::from(Error::new(ErrorKind::Cluster, details));
        let asked = error("ASK 3999 127.0.0.1:6381");
        assert_eq!(asked.asked_address(), Some("127.0.0.1:6381"));
        for other in ["MOVED 3999 127.0.0.1:6381", "TRYAGAIN Multiple keys"] {
            assert_eq!(error(other).asked_address(), None, "{other}");
        }
    }
}
