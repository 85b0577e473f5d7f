use crate::events::{Event, OrderCancelled, OrderReserved, SaleClosed, SaleFenced, SaleRestocked};
use crate::ids::{OrderId, ProductId};

/// An event that changes orders or an existing ledger row: every event but the opening of a sale.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Operation<'a> {
    Order(&'a OrderReserved),
    Cancel(&'a OrderCancelled),
    Restock(&'a SaleRestocked),
    Close(&'a SaleClosed),
    Fence(&'a SaleFenced),
}

impl<'a> Operation<'a> {
    /// The operation of an event; `None` for an opening.
    pub fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event::SaleOpened(_) => None,
            Event::OrderReserved(order) => Some(Self::Order(order)),
            Event::OrderCancelled(cancel) => Some(Self::Cancel(cancel)),
            Event::SaleRestocked(restock) => Some(Self::Restock(restock)),
            Event::SaleClosed(close) => Some(Self::Close(close)),
            Event::SaleFenced(fence) => Some(Self::Fence(fence)),
        }
    }

    /// The product whose sale it changes.
    pub fn product(&self) -> &'a ProductId {
        match self {
            Self::Order(order) => &order.product_id,
            Self::Cancel(cancel) => &cancel.order.product_id,
            Self::Restock(restock) => &restock.product_id,
            Self::Close(close) => &close.product_id,
            Self::Fence(fence) => &fence.product_id,
        }
    }

    /// The order that it places or cancels, if it does.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Order(order) => Some(order.order_id),
            Self::Cancel(cancel) => Some(cancel.order.order_id),
            Self::Restock(_) | Self::Close(_) | Self::Fence(_) => None,
        }
    }

    /// Whether it gets a row in `sale_changes`.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Restock(_) | Self::Close(_))
    }
}
