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

    /// Whether the reply did not come in time.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(error) if *error.kind() == ErrorKind::Timeout)
    }

    /// Whether Redis replied with an error, as opposed to an error of the client: Redis's errors begin with a code in
    /// capitals, and a reply that cannot be parsed is one too.
    pub(crate) fn is_reply(&self) -> bool {
        let Self::Unavailable(error) = self else {
            return false;
        };
        let code = error.details().split(' ').next().unwrap_or_default();
        match error.kind() {
            ErrorKind::Parse | ErrorKind::NotFound => true,
            ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Canceled => false,
            _ => code.len() > 1 && code.bytes().all(|b| b.is_ascii_uppercase()),
        }
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

    fn is_reply(kind: ErrorKind, details: &'static str) -> bool {
        GateError::from(Error::new(kind, details)).is_reply()
    }

    #[test]
    fn error_replies_of_redis_are_told_from_errors_of_the_client() {
        for (kind, said) in [
            (ErrorKind::Unknown, "OOM command not allowed"),
            (ErrorKind::Unknown, "ERR wrong number of arguments"),
            (ErrorKind::InvalidArgument, "WRONGTYPE Operation against"),
            (ErrorKind::Cluster, "CLUSTERDOWN The cluster is down"),
            (ErrorKind::Parse, "Could not convert to number."),
        ] {
            assert!(is_reply(kind, said), "{said}");
        }
        for (kind, said) in [
            (ErrorKind::Timeout, "Request timed out."),
            (ErrorKind::IO, "Connection refused"),
            (ErrorKind::Canceled, "Canceled."),
            (ErrorKind::Backpressure, "Max command buffer reached."),
            (ErrorKind::Cluster, "Missing cluster state"),
            (ErrorKind::Routing, "Failed to find a server"),
            (ErrorKind::Unknown, "Missing connection"),
        ] {
            assert!(!is_reply(kind, said), "{said}");
        }
    }
}
