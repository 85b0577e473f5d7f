use std::sync::Arc;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_log::OutgoingMessage;

use super::Sale;

/// Publishes events. Each outbox entry that Kafka has acknowledged goes to the outbox acker; the cancel of an order whose
/// sale is over has none.
pub type Publisher = fluxgate_log::Publisher<Option<PublishedEntry>>;

/// An outbox entry whose event was handed to Kafka.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct PublishedEntry {
    pub sale: Arc<Sale>,
    pub entry: SequenceNumber,
    pub makes_room: bool,
}

impl PublishedEntry {
    /// The message that publishes an entry of `sale`.
    pub fn message(
        sale: &Arc<Sale>,
        entry: SequenceNumber,
        event: Event,
    ) -> OutgoingMessage<Option<Self>> {
        OutgoingMessage {
            partition: sale.facts.partition,
            context: Some(Self {
                sale: Arc::clone(sale),
                entry,
                makes_room: event.makes_room(),
            }),
            event,
        }
    }
}
