//! Columns: what `unnest` takes.

use fluxgate_core::events::{Event, OrderReserved, SaleOpened};
use jiff::Timestamp;
use uuid::Uuid;

use crate::batch::{Batch, Content};

/// A batch, taken apart by what is done with each record.
pub struct Rows<'a> {
    /// Sales that open, with the offset of each.
    pub openings: Vec<(i64, &'a SaleOpened)>,
    /// Orders, with the offset of each, in offset order within a partition.
    pub orders: Vec<(i64, &'a OrderReserved)>,
    /// Whether some order stands before the opening of its sale.
    pub order_before_opening: bool,
    /// Dead letters.
    pub dead: DeadRows<'a>,
}

/// The columns of `dead_letters`.
#[derive(Default)]
#[allow(missing_docs)]
pub struct DeadRows<'a> {
    pub partitions: Vec<i32>,
    pub offsets: Vec<i64>,
    pub reasons: Vec<&'a str>,
    pub keys: Vec<Option<&'a [u8]>>,
    pub values: Vec<Option<&'a [u8]>>,
}

impl<'a> Rows<'a> {
    pub fn of(batch: &'a Batch) -> Self {
        let mut rows = Self {
            openings: Vec::new(),
            orders: Vec::with_capacity(batch.len()),
            order_before_opening: false,
            dead: DeadRows::default(),
        };
        for (partition, record) in batch.records() {
            match &record.content {
                Content::Event(Event::OrderReserved(order)) => {
                    rows.orders.push((record.offset, order));
                }
                Content::Event(Event::SaleOpened(sale)) => {
                    let product = &sale.product_id;
                    rows.order_before_opening |= rows
                        .orders
                        .iter()
                        .any(|(_, order)| order.product_id == *product);
                    rows.openings.push((record.offset, sale));
                }
                Content::Dead(reason) => {
                    rows.dead.partitions.push(partition);
                    rows.dead.offsets.push(record.offset);
                    rows.dead.reasons.push(reason);
                    rows.dead.keys.push(record.key.as_deref());
                    rows.dead.values.push(record.value.as_deref());
                }
            }
        }
        rows
    }

    /// The first opening of each product.
    pub fn first_openings(&self) -> Vec<&'a SaleOpened> {
        let mut seen = std::collections::HashSet::new();
        let openings = self.openings.iter().map(|(_, sale)| *sale);
        openings
            .filter(|sale| seen.insert(&sale.product_id))
            .collect()
    }
}

/// The columns of `orders` that an event fills.
#[allow(missing_docs)]
pub struct OrderColumns<'a> {
    pub ids: Vec<Uuid>,
    pub products: Vec<&'a str>,
    pub users: Vec<&'a str>,
    pub quantities: Vec<i32>,
    pub epochs: Vec<i32>,
    pub sequences: Vec<i64>,
    pub placed_at: Vec<Timestamp>,
}

impl<'a> OrderColumns<'a> {
    pub fn of(orders: impl ExactSizeIterator<Item = &'a OrderReserved> + Clone) -> Self {
        let column = || orders.clone();
        Self {
            ids: column().map(|order| order.order_id.as_uuid()).collect(),
            products: column().map(|order| order.product_id.as_str()).collect(),
            users: column().map(|order| order.user_id.as_str()).collect(),
            quantities: column().map(|order| order.quantity.get().into()).collect(),
            // Epochs count rebuilds; none comes near the border.
            epochs: column()
                .map(|order| i32::try_from(order.epoch).unwrap_or(i32::MAX))
                .collect(),
            sequences: column().map(|order| order.sequence.into()).collect(),
            placed_at: column().map(|order| order.placed_at).collect(),
        }
    }
}
