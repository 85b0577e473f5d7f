use std::collections::HashMap;

use fluxgate_core::events::Event;
use fluxgate_traces::{SpanKind, Step};

use crate::batch::{Batch, Content, Record};

/// Orders of one batch that are traced; a batch may be linked with as many.
const TRACED_MAX: usize = 128;

/// What becomes of the traced orders of a batch: each goes on in its own trace, and the batch that they
/// share has one that is linked with all of theirs.
pub struct BatchTrace {
    batch: Step,
    orders: Vec<TracedOrder>,
}

struct TracedOrder {
    partition: i32,
    offset: i64,
    step: Step,
}

impl BatchTrace {
    /// Nothing where no record of the batch is traced, or no traces are sent.
    pub fn begin(batch: &Batch) -> Option<Self> {
        let orders: Vec<_> = batch
            .records()
            .filter_map(|(partition, record)| TracedOrder::begin(partition, record))
            .take(TRACED_MAX)
            .collect();
        if orders.is_empty() {
            return None;
        }
        let mut this = Self {
            batch: Step::first("write batch", SpanKind::Client)?,
            orders,
        };
        this.batch.note("db.system.name", "postgresql");
        this.batch.note("batch.rows", batch.len() as i64);
        for order in &mut this.orders {
            this.batch.link(&order.step);
            order.step.link(&this.batch);
        }
        Some(this)
    }

    /// The batch is done with. `written` tells up to where each partition is.
    pub fn end(mut self, written: &HashMap<i32, i64>) {
        for order in &mut self.orders {
            let next = written.get(&order.partition);
            if next.is_none_or(|next| *next <= order.offset) {
                order
                    .step
                    .fail("not written here: whoever owns the partition next reads it again");
            }
        }
    }
}

impl TracedOrder {
    fn begin(partition: i32, record: &Record) -> Option<Self> {
        let origin = record.origin.as_ref()?;
        let mut step = origin.continue_as("write", SpanKind::Consumer)?;
        step.note("messaging.system", "kafka");
        step.note("messaging.destination.partition.id", partition.to_string());
        step.note("messaging.kafka.offset", record.offset);
        if let Content::Event(Event::OrderReserved(order)) = &record.content {
            step.note("order.id", order.order_id.to_string());
        }
        Some(Self {
            partition,
            offset: record.offset,
            step,
        })
    }
}
