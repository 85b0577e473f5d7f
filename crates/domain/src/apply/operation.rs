use crate::events::{
    Event, OrderCancelled, OrderCompleted, OrderReserved, QueueChanged, QueueStarted, SaleAmended,
    SaleClosed, SaleFenced, SaleOpened, SaleRestocked,
};
use crate::ids::{OrderId, ProductId};
use crate::order_facts::OrderFact;

/// What an event does to a sale.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Operation<'a> {
    Open(&'a SaleOpened),
    Order(&'a OrderReserved),
    Cancel(&'a OrderCancelled),
    Complete(&'a OrderCompleted),
    Restock(&'a SaleRestocked),
    Amend(&'a SaleAmended),
    StartQueue(&'a QueueStarted),
    ChangeQueue(&'a QueueChanged),
    Close(&'a SaleClosed),
    Fence(&'a SaleFenced),
}

impl<'a> Operation<'a> {
    /// The operation of an event.
    pub fn of(event: &'a Event) -> Self {
        match event {
            Event::SaleOpened(sale) => Self::Open(sale),
            Event::OrderReserved(order) => Self::Order(order),
            Event::OrderCancelled(cancel) => Self::Cancel(cancel),
            Event::OrderCompleted(completion) => Self::Complete(completion),
            Event::SaleRestocked(restock) => Self::Restock(restock),
            Event::SaleAmended(amended) => Self::Amend(amended),
            Event::QueueStarted(start) => Self::StartQueue(start),
            Event::QueueChanged(change) => Self::ChangeQueue(change),
            Event::SaleClosed(close) => Self::Close(close),
            Event::SaleFenced(fence) => Self::Fence(fence),
        }
    }

    /// The product of the sale.
    pub fn product(&self) -> &'a ProductId {
        match self {
            Self::Open(sale) => &sale.product_id,
            Self::Order(order) => &order.product_id,
            Self::Cancel(cancel) => &cancel.order.product_id,
            Self::Complete(completion) => &completion.order.product_id,
            Self::Restock(restock) => &restock.product_id,
            Self::Amend(amended) => &amended.product_id,
            Self::StartQueue(start) => &start.product_id,
            Self::ChangeQueue(change) => &change.product_id,
            Self::Close(close) => &close.product_id,
            Self::Fence(fence) => &fence.product_id,
        }
    }

    /// The partition that it gives its sale, if it is an opening.
    pub fn partition(&self) -> Option<i32> {
        match self {
            Self::Open(sale) => Some(sale.partition),
            _ => None,
        }
    }

    /// The order that it places or changes, if it does.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Order(order) => Some(order.order_id),
            Self::Cancel(cancel) => Some(cancel.order.order_id),
            Self::Complete(completion) => Some(completion.order.order_id),
            Self::Open(_)
            | Self::Restock(_)
            | Self::Amend(_)
            | Self::StartQueue(_)
            | Self::ChangeQueue(_)
            | Self::Close(_)
            | Self::Fence(_) => None,
        }
    }

    /// The fact that it brings about an order, if it does.
    pub fn fact(&self) -> Option<(&'a OrderReserved, OrderFact)> {
        match self {
            Self::Cancel(cancel) => Some((&cancel.order, cancel.fact())),
            Self::Complete(completion) => Some((&completion.order, completion.fact())),
            _ => None,
        }
    }

    /// Whether it gets a row in `sale_changes`.
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Restock(_)
                | Self::Amend(_)
                | Self::StartQueue(_)
                | Self::ChangeQueue(_)
                | Self::Close(_)
        )
    }
}
