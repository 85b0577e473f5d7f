use fluxgate_domain::events::{self, Event};
use rdkafka::message::{Header, OwnedHeaders};

/// The record headers of an event.
#[must_use]
pub fn headers(event: &Event) -> OwnedHeaders {
    owned(&events::headers(event))
}

/// Record headers with these names and values.
pub fn owned<V: AsRef<str>>(pairs: &[(&'static str, V)]) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(pairs.len());
    pairs.iter().fold(empty, |headers, (key, value)| {
        let value = Some(value.as_ref().as_bytes());
        headers.insert(Header { key, value })
    })
}
