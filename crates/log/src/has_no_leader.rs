use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Whether no broker led the partition that was asked about. It passes by itself: a topic that was just made, or a
/// broker that has just started, needs a moment.
pub fn has_no_leader(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    let code = error.rdkafka_error_code();
    matches!(code, Some(NotLeaderForPartition | LeaderNotAvailable))
}
