use std::sync::Arc;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_gate::OutboxEntry;
use fluxgate_log::OutgoingMessage;

use super::Sale;

/// Publishes events. Each event in an outbox that Kafka has acknowledged goes to the outbox acker; the cancel of an order whose
/// sale is over is in none.
pub type Publisher = fluxgate_log::Publisher<Option<PublishedEntry>>;

/// Where the outbox has an event that was handed to Kafka.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct PublishedEntry {
    pub sale: Arc<Sale>,
    /// The number of the event.
    pub number: SequenceNumber,
    /// Its entry; `None`: it is not known which one.
    pub entry: Option<OutboxEntry>,
    pub makes_room: bool,
}

impl PublishedEntry {
    /// The message that publishes an event in the outbox of `sale`.
    pub fn message(
        sale: &Arc<Sale>,
        number: SequenceNumber,
        entry: Option<OutboxEntry>,
        event: Event,
    ) -> OutgoingMessage<Option<Self>> {
        OutgoingMessage {
            partition: sale.facts.partition,
            context: Some(Self {
                sale: Arc::clone(sale),
                number,
                entry,
                makes_room: event.makes_room(),
            }),
            event,
        }
    }
}
