use fluxgate_domain::events::CE_TYPE;
use rdkafka::message::{BorrowedMessage, Headers, Message};

/// A record of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    /// None is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its `ce_type` header.
    pub ce_type: Option<String>,
}

impl From<BorrowedMessage<'_>> for Record {
    fn from(message: BorrowedMessage<'_>) -> Self {
        let ce_type = message.headers().and_then(|headers| {
            let value = headers.iter().find(|header| header.key == CE_TYPE)?.value?;
            String::from_utf8(value.to_vec()).ok()
        });
        Self {
            partition: message.partition(),
            key: message.key().map(Into::into),
            value: message.payload().map(Into::into),
            ce_type,
        }
    }
}
