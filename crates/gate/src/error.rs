use fluxgate_domain::records::MalformedRecord;
use fred::error::{Error, ErrorKind};

/// Why Redis gave no answer that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GateError {
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

    /// Whether nothing came in time.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(error) if *error.kind() == ErrorKind::Timeout)
    }

    /// Whether Redis itself said so, and not the client on its own: by the code in capitals that each of its
    /// errors begins with, or because what it said could not be read.
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

    /// Whether nothing was done because a Cluster is moving the sale's keys at this very moment, or because this
    /// connection does not know yet, or not any more, which node has them.
    pub(crate) fn is_nodes_in_motion(&self) -> bool {
        matches!(self, Self::Unavailable(error)
            if *error.kind() == ErrorKind::Cluster || error.details().starts_with("TRYAGAIN"))
    }

    /// Whether Redis has no room for what was to be written.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.details().starts_with("OOM"))
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
    fn what_redis_says_is_told_from_what_the_client_says() {
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
