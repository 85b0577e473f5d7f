use crate::events::{Event, Undecodable};

/// One record of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in its partition.
    pub offset: i64,
    /// When its producer made it, Unix ms.
    pub timestamp_ms: i64,
    /// The key as it was read; a dead letter keeps it.
    pub key: Option<Vec<u8>>,
    /// The value as it was read; a dead letter keeps it.
    pub value: Option<Vec<u8>>,
    /// What the record says.
    pub content: Content,
    /// The `traceparent` header, if its trace is sampled.
    pub traceparent: Option<Box<str>>,
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
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
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

impl Content {
    fn dead_letter(reason: &str) -> Self {
        // PostgreSQL takes no NUL in a text, and a reason may quote bytes of an unknown producer.
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Self::DeadLetter(reason.chars().take(REASON_MAX).map(printable).collect())
    }
}
