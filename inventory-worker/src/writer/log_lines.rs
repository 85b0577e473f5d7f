//! What the log says of a batch that was written: orders by their ids, but never thousands of lines.

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::OrderId;
use serde::Deserialize;

use crate::batch::{Batch, Content, Record};
use crate::store::Written;

/// Dead letters of one batch that get a line each.
const DEAD_LETTERS_NAMED_MAX: usize = 5;

/// A line for each of the first dead letters, and one for all others.
pub fn log_dead_letters(batch: &Batch) {
    let mut dead = batch
        .records()
        .filter_map(|(partition, record)| Some((partition, record, record.reason()?)));
    for (partition, record, reason) in dead.by_ref().take(DEAD_LETTERS_NAMED_MAX) {
        tracing::warn!(
            kafka.partition = partition,
            kafka.offset = record.offset,
            order.id = order_of(record).map(display),
            trace.id = record
                .remote_parent
                .as_ref()
                .map(|origin| display(origin.id())),
            reason,
            "dead letter"
        );
    }
    let more = dead.count();
    if more > 0 {
        tracing::warn!(
            dead_letters.more = more,
            "more dead letters of the same batch"
        );
    }
}

/// A line for each of the first rejected orders, and one for all, if there are any.
pub fn log_rejected(batch: &Batch, written: &Written) {
    for &id in &written.rejected {
        let mut records = batch.records().map(|(_, record)| record);
        let record = records.find(|record| is_order(record, id));
        let origin = record.and_then(|record| record.remote_parent.as_ref());
        tracing::error!(
            order.id = %id,
            trace.id = origin.map(|origin| display(origin.id())),
            "an accepted order was rejected"
        );
    }
    if written.oversold + written.unknown_sale + written.fenced > 0 {
        tracing::error!(
            orders.oversold = written.oversold,
            orders.unknown_sale = written.unknown_sale,
            orders.fenced = written.fenced,
            "accepted orders were rejected: Redis has lost data"
        );
    }
}

fn is_order(record: &Record, id: OrderId) -> bool {
    matches!(&record.content, Content::Event(Event::OrderReserved(order)) if order.order_id == id)
}

/// The order that a dead letter speaks of, if its value can be read so far.
fn order_of(record: &Record) -> Option<OrderId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct OfOrder {
        order_id: OrderId,
    }
    let of_order: OfOrder = serde_json::from_slice(record.value.as_deref()?).ok()?;
    Some(of_order.order_id)
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::events::Undecodable;

    use super::*;

    const ID: &str = "01a1fb67-1800-897f-98f2-381895f55db8";

    fn dead(value: &str) -> Record {
        let why = Err(Undecodable::MissingType);
        Record::new(0, 0, None, Some(value.as_bytes()), why)
    }

    #[test]
    fn a_dead_letter_is_named_by_its_order_where_it_tells() {
        let order = dead(&format!(
            "{{\"orderId\":\"{ID}\",\"quantity\":\"no number\"}}"
        ));
        assert_eq!(order_of(&order), Some(ID.parse().unwrap()));
        for garbage in ["", "{", "[]", "{}", "{\"orderId\":\"me\"}"] {
            assert_eq!(order_of(&dead(garbage)), None, "{garbage}");
        }
        assert_eq!(order_of(&Record::dead(0)), None);
    }
}
