//! Log lines about orders that did not get what their buyers were told.

use fluxgate_domain::apply::Operation;
use fluxgate_domain::batch::{Batch, Content, Record};
use fluxgate_domain::ids::OrderId;
use fluxgate_ledger::WrittenBatch;

use crate::batch::remote_parent;

/// Logs the first rejected orders one by one, and the number of all of them.
pub fn log_rejected(batch: &Batch, written: &WrittenBatch) {
    for &id in &written.rejected {
        let mut records = batch.records().map(|(_, record)| record);
        let record = records.find(|record| is_about(record, id));
        let parent = record.and_then(remote_parent);
        tracing::error!(
            order.id = %id,
            trace.id = parent.map(|parent| tracing::field::display(parent.id())),
            "accepted order rejected"
        );
    }
    if written.oversold + written.unknown_sale + written.fenced > 0 {
        tracing::error!(
            orders.oversold = written.oversold,
            orders.unknown_sale = written.unknown_sale,
            orders.fenced = written.fenced,
            "accepted orders rejected; Redis or Kafka has lost data"
        );
    }
}

/// Logs the first orders that were paid and have no units one by one, and the number of all of them.
pub fn log_paid_without_unit(written: &WrittenBatch) {
    for id in &written.paid_without_unit_named {
        tracing::error!(order.id = %id, "order paid that has no units");
    }
    if written.paid_without_unit > 0 {
        tracing::error!(
            orders.paid_without_unit = written.paid_without_unit,
            "orders paid that have no units; their payments must not be captured"
        );
    }
}

fn is_about(record: &Record, id: OrderId) -> bool {
    matches!(&record.content, Content::Event(event) if Operation::of(event).order_id() == Some(id))
}
