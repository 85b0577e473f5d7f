use fluxgate_domain::SequenceNumber;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{
    ACKS_PER_CALL_MAX, Ack, AckedEvent, EFFECTS_PER_CALL_MAX, OUTBOX_PAGE_MAX, SaleAcks, SaleKeys,
};
use futures_util::future::try_join_all;

use crate::{Stores, Undecided};

/// The highest possible number.
const ALL: SequenceNumber = SequenceNumber {
    epoch: u32::MAX,
    sequence: u32::MAX,
};

/// Publishes the outbox of a stopped sale, as the outbox relay would; relays may do the same meanwhile. Returns the number of
/// events.
///
/// An event whose record is lost cannot be published: its entry stays until the sale's keys are removed.
pub async fn drain(
    stores: &Stores,
    product: &ProductId,
    keys: &SaleKeys,
    partition: i32,
) -> Result<usize, Undecided> {
    let (mut drained, mut after) = (0, None);
    loop {
        let page = stores
            .gate
            .read_outbox(keys, after, ALL, OUTBOX_PAGE_MAX)
            .await?;
        let Some(last) = page.events.last() else {
            return Ok(drained);
        };
        after = Some(last.number);
        // Without the opening: PostgreSQL has the sale, so its opening is on Kafka.
        let events: Vec<(SequenceNumber, Event)> = page
            .events
            .iter()
            .filter_map(|waiting| Some((waiting.number, waiting.event(product)?)))
            .collect();
        let sent = events
            .iter()
            .map(|(_, event)| stores.log.append(partition, event));
        try_join_all(sent).await?;
        acknowledge(stores, keys, &events).await?;
        drained += events.len();
    }
}

async fn acknowledge(
    stores: &Stores,
    keys: &SaleKeys,
    events: &[(SequenceNumber, Event)],
) -> Result<(), Undecided> {
    let (making_room, taking_room): (Vec<_>, Vec<_>) =
        events.iter().partition(|(_, event)| event.makes_room());
    let acked = |(number, event): &&(SequenceNumber, Event)| AckedEvent::new(*number, event);
    let acks: Vec<Ack> = taking_room.iter().map(acked).map(Ack::Event).collect();
    for acks in acks.chunks(ACKS_PER_CALL_MAX) {
        for removed in stores.gate.ack_all(&[SaleAcks { keys, acks }]).await? {
            removed?;
        }
    }
    let making_room: Vec<AckedEvent> = making_room.iter().map(acked).collect();
    for events in making_room.chunks(EFFECTS_PER_CALL_MAX) {
        stores.gate.ack_and_apply_all(keys, events).await?;
    }
    Ok(())
}
