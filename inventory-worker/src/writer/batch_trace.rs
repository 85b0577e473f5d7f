use std::collections::HashMap;

use fluxgate_domain::batch::{Batch, Content, Record};
use fluxgate_domain::events::Event;
use fluxgate_service::traces::{Span, SpanKind};

use crate::batch::remote_parent;

/// Maximum orders of one batch that are traced; a span may have as many links.
const TRACED_MAX: usize = 128;

/// The spans of a batch: one per traced order, in that order's trace, and one of the whole batch, linked to all of them.
pub struct BatchTrace {
    batch: Span,
    orders: Vec<TracedOrder>,
}

struct TracedOrder {
    partition: i32,
    offset: i64,
    span: Span,
}

impl BatchTrace {
    /// Begins the spans; `None` if no record of the batch is traced or traces are off.
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
            batch: Span::root("write batch", SpanKind::Client)?,
            orders,
        };
        this.batch.set_attribute("db.system.name", "postgresql");
        this.batch.set_attribute("batch.rows", batch.len() as i64);
        for order in &mut this.orders {
            this.batch.link(&order.span);
            order.span.link(&this.batch);
        }
        Some(this)
    }

    /// Ends the spans. `written` holds the new position of each partition that was written.
    pub fn end(mut self, written: &HashMap<i32, i64>) {
        for order in &mut self.orders {
            let next = written.get(&order.partition);
            if next.is_none_or(|next| *next <= order.offset) {
                order
                    .span
                    .fail("not written here; the next owner of the partition reads it again");
            }
        }
    }
}

impl TracedOrder {
    fn begin(partition: i32, record: &Record) -> Option<Self> {
        let parent = remote_parent(record)?;
        let mut span = parent.child_span("write", SpanKind::Consumer)?;
        span.set_attribute("messaging.system", "kafka");
        span.set_attribute("messaging.destination.partition.id", partition.to_string());
        span.set_attribute("messaging.kafka.offset", record.offset);
        if let Content::Event(Event::OrderReserved(order)) = &record.content {
            span.set_attribute("order.id", order.order_id.to_string());
        }
        Some(Self {
            partition,
            offset: record.offset,
            span,
        })
    }
}
