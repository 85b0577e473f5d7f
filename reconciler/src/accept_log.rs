//! Ends halts: lets the workers read logs that are not the ones they have read. Nobody knows where the two part, so they
//! are read from their beginning; what is written already is not written twice.
//!
//! What a log has lost is published again behind the orders that it has. So the room that they use is written to the
//! ledger before they are read: openings, cancels, expiries and restocks, which Redis has.

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_ledger::{HaltedPartition, Ledger, LedgerError};

use crate::flow::Place;
use crate::unwritten::{Lacking, Unwritten, unwritten_opening};
use crate::{Stores, Undecided};

/// Events that are written in one transaction.
const PAGE: usize = 500;

/// A log that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedLog {
    /// The halt that has ended.
    pub halt: HaltedPartition,
    /// Where the log begins.
    pub begin: i64,
    /// Openings, cancels, expiries and restocks that were written first.
    pub written_ahead: usize,
}

/// Why no log was accepted, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// A partition is not halted.
    #[error("partition {0} is not halted")]
    NotHalted(i32),
    /// A store does not answer.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// PostgreSQL takes no writes.
    #[error("PostgreSQL: {0}")]
    Ledger(#[from] LedgerError),
}

/// Accepts the logs of these halted partitions of a consumer, or of all of them. `writer` writes what makes room in them,
/// if the consumer is the one that writes the ledger. `accepted` is called for each.
///
/// # Errors
/// When a partition is not halted, or a store does not answer. Logs that were accepted before that stay accepted.
pub async fn accept_logs(
    stores: &mut Stores,
    writer: &Ledger,
    consumer: &str,
    partitions: &[i32],
    mut accepted: impl FnMut(&AcceptedLog),
) -> Result<(), AcceptError> {
    let halted = stores
        .ledger
        .halted(consumer)
        .await
        .map_err(Undecided::from)?;
    let is_halted = |number: &&i32| halted.iter().any(|halt| halt.partition == **number);
    if let Some(other) = partitions.iter().find(|number| !is_halted(number)) {
        return Err(AcceptError::NotHalted(*other));
    }
    let asked = |number: i32| partitions.is_empty() || partitions.contains(&number);
    let halted: Vec<_> = halted
        .into_iter()
        .filter(|halt| asked(halt.partition))
        .collect();
    let sales = match consumer == Ledger::CONSUMER && !halted.is_empty() {
        true => stores.sales(&[]).await?,
        false => Vec::new(),
    };
    for halt in halted {
        let number = halt.partition;
        let begin = stores.log.begin(number).await.map_err(Undecided::from)?;
        let mut written_ahead = 0;
        for (product, place) in &sales {
            if let Some(place) = place.as_ref().filter(|place| place.partition == number) {
                written_ahead += write_ahead(stores, writer, product, place).await?;
            }
        }
        let cleared = stores.ledger.accept_log(consumer, &halt, begin).await;
        // If it was not halted any more, somebody else has just accepted it.
        if cleared.map_err(Undecided::from)? {
            accepted(&AcceptedLog {
                halt,
                begin,
                written_ahead,
            });
        }
    }
    Ok(())
}

/// Writes what makes room in a sale and PostgreSQL lacks; returns how many events that are. Those that still wait in the
/// outbox are among them: the old log may have had them. A change that comes later is on the new log before it makes room.
///
/// They are appended to the log first, for its other consumers. After a crash between the two, they are appended again.
async fn write_ahead(
    stores: &mut Stores,
    writer: &Ledger,
    product: &ProductId,
    place: &Place,
) -> Result<usize, AcceptError> {
    let (keys, partition) = (place.keys(product), place.partition);
    let mut count = 0;
    if let Some(opening) = unwritten_opening(stores, product).await? {
        count += append_and_write(stores, writer, partition, &[opening]).await?;
    }
    let records = stores.gate.records(&keys).await.map_err(Undecided::from)?;
    let mut unwritten = Unwritten::of(records);
    let written = unwritten.remove_written(&mut stores.ledger, product).await;
    let written = written.map_err(Undecided::from)?;
    let mut lacking = unwritten.lacking(|_| false, &written);
    lacking.retain(Lacking::makes_room);
    for page in lacking.chunks(PAGE) {
        let ids: Vec<OrderId> = page.iter().filter_map(Lacking::order).collect();
        let records = stores.gate.order_records(&keys, &ids).await;
        let records = records.map_err(Undecided::from)?;
        let event = |lacking: &Lacking| unwritten.event(product, lacking.subject, &records);
        let events: Vec<Event> = page.iter().filter_map(event).collect();
        count += append_and_write(stores, writer, partition, &events).await?;
    }
    Ok(count)
}

async fn append_and_write(
    stores: &Stores,
    writer: &Ledger,
    partition: i32,
    events: &[Event],
) -> Result<usize, AcceptError> {
    let appended = stores.log.append_all(partition, events).await;
    appended.map_err(Undecided::from)?;
    writer.write_ahead(partition, events).await?;
    Ok(events.len())
}
