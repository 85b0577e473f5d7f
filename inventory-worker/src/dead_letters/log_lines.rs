use fluxgate_domain::batch::{Batch, Record};
use fluxgate_domain::ids::OrderId;
use serde::Deserialize;

use crate::batch::remote_parent;

/// Dead letters of one batch that are logged one by one: by default a partition with more of them is halted.
const DEAD_LETTERS_NAMED_MAX: usize = 100;

/// Logs the first dead letters of a batch one by one, and the number of the others.
pub fn log_dead_letters(batch: &Batch) {
    let mut dead = batch
        .records()
        .filter_map(|(partition, record)| Some((partition, record, record.dead_letter_reason()?)));
    for (partition, record, reason) in dead.by_ref().take(DEAD_LETTERS_NAMED_MAX) {
        tracing::warn!(
            kafka.partition = partition,
            kafka.offset = record.offset,
            order.id = order_of(record).map(display),
            trace.id = remote_parent(record).map(|parent| display(parent.id())),
            reason,
            "dead letter"
        );
    }
    let more = dead.count();
    if more > 0 {
        tracing::warn!(
            dead_letters.more = more,
            "more dead letters in the same batch"
        );
    }
}

/// The order that a dead letter is about, if its value contains the id.
fn order_of(record: &Record) -> Option<OrderId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct OfOrder {
        order_id: OrderId,
    }
    let of_order: OfOrder = serde_json::from_slice(record.source.value()?).ok()?;
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
    fn a_dead_letter_is_logged_with_its_order_if_its_value_contains_the_id() {
        let order = dead(&format!(
            "{{\"orderId\":\"{ID}\",\"quantity\":\"no number\"}}"
        ));
        assert_eq!(order_of(&order), Some(ID.parse().unwrap()));
        for garbage in ["", "{", "[]", "{}", "{\"orderId\":\"me\"}"] {
            assert_eq!(order_of(&dead(garbage)), None, "{garbage}");
        }
        let tombstone = Record::new(0, 0, None, None, Err(Undecodable::MissingValue));
        assert_eq!(order_of(&tombstone), None);
    }
}
