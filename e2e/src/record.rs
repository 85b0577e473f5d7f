//! A record of Kafka, outside of all programs under test.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxgate_domain::events::CE_TYPE;
use rdkafka::config::ClientConfig;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

const DELIVERY_LIMIT: Duration = Duration::from_secs(5);

/// What a record carries, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is, or is to be.
    pub partition: i32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its `ce_type` header.
    pub ce_type: Option<String>,
}

impl Record {
    /// Puts it on `topic`, behind the programs' backs.
    ///
    /// # Errors
    /// When Kafka does not take it.
    pub(crate) async fn append(&self, brokers: &str, topic: &str) -> Result<()> {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("acks", "all")
            .set("message.timeout.ms", DELIVERY_LIMIT.as_millis().to_string())
            .create()
            .context("building a Kafka producer")?;
        let mut message: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(topic).partition(self.partition);
        message.key = self.key.as_deref();
        message.payload = self.value.as_deref();
        message.headers = self.ce_type.as_ref().map(|ce_type| {
            OwnedHeaders::new().insert(Header {
                key: CE_TYPE,
                value: Some(ce_type),
            })
        });
        let sent = producer.send(message, DELIVERY_LIMIT).await;
        sent.map_err(|(error, _)| error).context("appending")?;
        Ok(())
    }
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
