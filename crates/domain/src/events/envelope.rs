use std::borrow::Cow;

use super::{
    CancelCause, Event, OrderCancelled, OrderCompleted, OrderReserved, QueueChanged, QueueStarted,
    SaleAmended, SaleClosed, SaleFenced, SaleOpened, SaleRestocked,
};

/// The header with the event type.
pub const CE_TYPE: &str = "ce_type";
/// The header that identifies the event.
pub const CE_ID: &str = "ce_id";

/// One Kafka header: name and value.
pub type Header = (&'static str, Cow<'static, str>);

/// The headers of an event: the CloudEvents 1.0 attributes in Kafka's binary mode.
///
/// All of them are derived from the event, so if an event is published twice, both records are the same.
pub fn headers(event: &Event) -> [Header; 6] {
    let (ce_type, ce_id, ce_time) = match event {
        Event::SaleOpened(sale) => (
            SaleOpened::TYPE,
            format!("{}:{}", sale.product_id, sale.epoch),
            sale.opens_at,
        ),
        Event::OrderReserved(order) => (
            OrderReserved::TYPE,
            order.order_id.to_string(),
            order.placed_at,
        ),
        Event::OrderCancelled(cancel) => (
            OrderCancelled::TYPE,
            match cancel.cause {
                CancelCause::Shop | CancelCause::Buyer => {
                    format!("{}:cancelled", cancel.order.order_id)
                }
                CancelCause::Expired => format!("{}:expired", cancel.order.order_id),
            },
            cancel.cancelled_at,
        ),
        Event::OrderCompleted(completion) => (
            OrderCompleted::TYPE,
            format!("{}:completed", completion.order.order_id),
            completion.completed_at,
        ),
        Event::SaleRestocked(restock) => (
            SaleRestocked::TYPE,
            restock.restock_id.to_string(),
            restock.restocked_at,
        ),
        Event::SaleAmended(amended) => (
            SaleAmended::TYPE,
            format!("{}:amended:{}", amended.product_id, amended.number()),
            amended.amended_at,
        ),
        Event::QueueStarted(start) => (
            QueueStarted::TYPE,
            format!("{}:queue-started:{}", start.product_id, start.number()),
            start.started_at,
        ),
        Event::QueueChanged(change) => (
            QueueChanged::TYPE,
            change.change_id.to_string(),
            change.changed_at,
        ),
        Event::SaleClosed(close) => (
            SaleClosed::TYPE,
            format!("{}:closed", close.product_id),
            close.closed_at,
        ),
        Event::SaleFenced(fence) => (
            SaleFenced::TYPE,
            format!("{}:fenced:{}", fence.product_id, fence.epoch),
            fence.fenced_at,
        ),
    };
    [
        ("ce_specversion", "1.0".into()),
        (CE_ID, ce_id.into()),
        ("ce_source", "/fluxgate/ingest-api".into()),
        (CE_TYPE, ce_type.into()),
        ("ce_time", ce_time.to_string().into()),
        ("content-type", "application/json".into()),
    ]
}
