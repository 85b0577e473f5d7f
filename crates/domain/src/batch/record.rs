use super::PartitionOffset;
use crate::events::{Event, Undecodable};

/// One record of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in its partition.
    pub offset: i64,
    /// When its producer made it, Unix ms.
    pub timestamp_ms: i64,
    /// Key and value as they were read; a dead letter keeps them.
    pub source: Source,
    /// What the record says.
    pub content: Content,
    /// The `traceparent` header, if its trace is sampled.
    pub traceparent: Option<Box<str>>,
}

/// The bytes of a record's key and value, in one allocation: nearly every record is dropped without a look at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    bytes: Box<[u8]>,
    key_length: Option<usize>,
    has_value: bool,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One of our events.
    Event(Event),
    /// A record that cannot be applied, with the reason.
    DeadLetter(String),
}

/// Maximum characters of the reason on a dead letter.
const REASON_MAX: usize = 500;

impl Record {
    /// A record whose event was decoded, or could not be.
    pub fn new(
        offset: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        event: Result<Event, Undecodable>,
    ) -> Self {
        Self {
            offset,
            timestamp_ms,
            source: Source::of(key, value),
            content: match event {
                Ok(event) => Content::Event(event),
                Err(reason) => Content::dead_letter(&reason.to_string()),
            },
            traceparent: None,
        }
    }

    /// Sets the `traceparent` header. The caller leaves out the headers of traces that are not sampled.
    pub fn with_traceparent(mut self, traceparent: Option<&str>) -> Self {
        self.traceparent = traceparent.map(Into::into);
        self
    }

    /// Where it is, if it is in this partition.
    pub fn place(&self, partition: i32) -> PartitionOffset {
        let offset = self.offset;
        PartitionOffset { partition, offset }
    }

    /// Turns the record into a dead letter.
    pub fn mark_dead_letter(&mut self, reason: &str) {
        self.content = Content::dead_letter(reason);
    }

    /// Why the record is a dead letter; `None` if it is none.
    pub fn dead_letter_reason(&self) -> Option<&str> {
        match &self.content {
            Content::DeadLetter(reason) => Some(reason),
            Content::Event(_) => None,
        }
    }
}

impl Source {
    fn of(key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        Self {
            bytes: [key.unwrap_or_default(), value.unwrap_or_default()]
                .concat()
                .into(),
            key_length: key.map(<[u8]>::len),
            has_value: value.is_some(),
        }
    }

    /// The key; `None` if the record has none.
    pub fn key(&self) -> Option<&[u8]> {
        self.key_length.map(|length| &self.bytes[..length])
    }

    /// The value; `None` if the record is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        let begin = self.key_length.unwrap_or_default();
        self.has_value.then(|| &self.bytes[begin..])
    }
}

impl Content {
    fn dead_letter(reason: &str) -> Self {
        // PostgreSQL takes no NUL in a text, and a reason may quote bytes of an unknown producer.
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Self::DeadLetter(reason.chars().take(REASON_MAX).map(printable).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_value_are_kept_as_they_were_read() {
        for key in [None, Some(&b""[..]), Some(b"key")] {
            for value in [None, Some(&b""[..]), Some(b"value")] {
                let source = Source::of(key, value);
                assert_eq!((source.key(), source.value()), (key, value));
            }
        }
    }
}
