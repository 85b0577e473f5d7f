use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why Kafka gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No answer in time, or a refusal.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The task that asked was cancelled or panicked.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl LogError {
    /// Whether the topic will never take this record: it is too large, or lacks a key that the topic needs.
    pub fn is_refusal(&self) -> bool {
        use RDKafkaErrorCode::{InvalidRecord, MessageSizeTooLarge};
        let Self::Kafka(error) = self else {
            return false;
        };
        let code = error.rdkafka_error_code();
        matches!(code, Some(MessageSizeTooLarge | InvalidRecord))
    }

    /// Whether the partition had no leader. This passes by itself: a new topic or a broker that has just started needs
    /// a moment.
    pub fn has_no_leader(&self) -> bool {
        use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
        let Self::Kafka(error) = self else {
            return false;
        };
        let code = error.rdkafka_error_code();
        matches!(code, Some(NotLeaderForPartition | LeaderNotAvailable))
    }
}
