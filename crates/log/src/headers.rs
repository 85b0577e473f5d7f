use fluxgate_domain::events::{self, Event};
use rdkafka::message::{Header, OwnedHeaders};

/// An event's headers, as a record carries them.
#[must_use]
pub fn headers(event: &Event) -> OwnedHeaders {
    let attributes = events::headers(event);
    attributes.iter().fold(
        OwnedHeaders::new_with_capacity(attributes.len()),
        |headers, (key, value)| {
            let value = Some(value.as_bytes());
            headers.insert(Header { key, value })
        },
    )
}
