use fluxgate_domain::events::{Event, Undecodable};
use fluxgate_service::traces::RemoteParent;

/// One record of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands in its partition.
    pub offset: i64,
    /// When its producer made it, Unix ms.
    pub timestamp_ms: i64,
    /// Its key as it came: a dead letter keeps what was there.
    pub key: Option<Vec<u8>>,
    /// Its value as it came.
    pub value: Option<Vec<u8>>,
    /// What it says.
    pub content: Content,
    /// The trace it belongs to, where that one is kept.
    pub remote_parent: Option<Box<RemoteParent>>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One of our events.
    Event(Event),
    /// Nothing that can be written, for this reason.
    Dead(String),
}

impl Record {
    /// A record whose event was read, or was not.
    pub fn new(
        offset: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        event: Result<Event, Undecodable>,
    ) -> Self {
        let mut record = Self {
            offset,
            timestamp_ms,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            content: Content::Dead(String::new()),
            remote_parent: None,
        };
        match event {
            Ok(event) => record.content = Content::Event(event),
            Err(reason) => record.bury(&reason.to_string()),
        }
        record
    }

    /// The same record, of a trace that is kept.
    pub fn of(mut self, remote_parent: Option<RemoteParent>) -> Self {
        self.remote_parent = remote_parent.filter(RemoteParent::is_sampled).map(Box::new);
        self
    }

    /// Turns the record into a dead letter.
    pub fn bury(&mut self, reason: &str) {
        // PostgreSQL takes no NUL in a text, and a reason may quote what a stranger sent.
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        self.content = Content::Dead(reason.chars().take(500).map(printable).collect());
    }

    /// Why it is a dead letter, if it is.
    pub fn reason(&self) -> Option<&str> {
        match &self.content {
            Content::Dead(reason) => Some(reason),
            Content::Event(_) => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn dead(offset: i64) -> Self {
        Self::new(offset, 0, None, None, Err(Undecodable::MissingType))
    }
}
