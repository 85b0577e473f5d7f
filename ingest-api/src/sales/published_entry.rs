use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_gate::{AckedEvent, OutboxEntry};
use fluxgate_log::{OutgoingMessage, Publication, Wait};

use super::Sale;

/// Publishes events. Each event in an outbox that Kafka has acknowledged goes to the outbox acker; the cancel of an order whose
/// sale is over is in none.
pub type Publisher = fluxgate_log::Publisher<Option<PublishedEntry>>;

/// How long the answer to an admin call waits for Kafka, where the call takes effect only then.
pub const ADMIN_PUBLISH_WAIT: Duration = Duration::from_secs(8);

/// Publishes an event of `sale` that has an outbox entry of its own.
pub async fn publish_change(
    publisher: &Publisher,
    sale: &Arc<Sale>,
    number: SequenceNumber,
    event: Event,
    wait: Duration,
) -> Publication {
    let entry = Some(OutboxEntry::of_one(number));
    let message = PublishedEntry::message(sale, number, entry, event);
    publisher.publish(message, Wait::AtMost(wait)).await
}

/// Where the outbox has an event that was handed to Kafka.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct PublishedEntry {
    pub sale: Arc<Sale>,
    pub event: AckedEvent,
    /// Its entry; `None`: it is not known which one.
    pub entry: Option<OutboxEntry>,
    pub makes_room: bool,
    /// When it was handed to Kafka.
    pub since: Instant,
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
                event: AckedEvent::new(number, &event),
                entry,
                makes_room: event.makes_room(),
                since: Instant::now(),
            }),
            event,
        }
    }
}
