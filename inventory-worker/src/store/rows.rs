//! Columns: what `unnest` takes.

use fluxgate_domain::events::{Event, OrderReserved, SaleOpened};
use jiff::Timestamp;
use uuid::Uuid;

use super::settle::Step;
use crate::batch::{Batch, Content, Record};

/// A batch, taken apart by what is done with each record.
pub struct Rows<'a> {
    /// Sales that open, with the offset of each.
    pub openings: Vec<(i64, &'a SaleOpened)>,
    /// Orders.
    pub orders: Vec<&'a OrderReserved>,
    /// Orders and whatever changes them or a sale, with the offset of each, in offset order within
    /// a partition.
    pub steps: Vec<(i64, Step<'a>)>,
    /// Whether some step is more than a new order, or stands before the opening of its sale: then
    /// the order of the steps matters.
    pub order_matters: bool,
    /// Dead letters.
    pub dead: DeadRows<'a>,
}

/// The columns of `dead_letters`.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct DeadRows<'a> {
    pub partitions: Vec<i32>,
    pub offsets: Vec<i64>,
    pub reasons: Vec<&'a str>,
    pub keys: Vec<Option<&'a [u8]>>,
    pub values: Vec<Option<&'a [u8]>>,
}

impl<'a> DeadRows<'a> {
    pub fn push(&mut self, partition: i32, record: &'a Record, reason: &'a str) {
        self.partitions.push(partition);
        self.offsets.push(record.offset);
        self.reasons.push(reason);
        self.keys.push(record.key.as_deref());
        self.values.push(record.value.as_deref());
    }
}

impl<'a> Rows<'a> {
    pub fn of(batch: &'a Batch) -> Self {
        let mut rows = Self {
            openings: Vec::new(),
            orders: Vec::with_capacity(batch.len()),
            steps: Vec::with_capacity(batch.len()),
            order_matters: false,
            dead: DeadRows::default(),
        };
        for (partition, record) in batch.records() {
            match &record.content {
                Content::Event(Event::OrderReserved(order)) => {
                    rows.orders.push(order);
                    rows.steps.push((record.offset, Step::Order(order)));
                }
                Content::Event(Event::OrderCancelled(cancel)) => {
                    rows.change(record.offset, Step::Cancel(cancel));
                }
                Content::Event(Event::SaleRestocked(restock)) => {
                    rows.change(record.offset, Step::Restock(restock));
                }
                Content::Event(Event::SaleClosed(close)) => {
                    rows.change(record.offset, Step::Close(close));
                }
                Content::Event(Event::SaleFenced(fence)) => {
                    rows.change(record.offset, Step::Fence(fence));
                }
                Content::Event(Event::SaleOpened(sale)) => {
                    let product = &sale.product_id;
                    let mut orders = rows.orders.iter();
                    rows.order_matters |= orders.any(|order| order.product_id == *product);
                    rows.openings.push((record.offset, sale));
                }
                Content::Dead(reason) => {
                    rows.dead.push(partition, record, reason);
                }
            }
        }
        rows
    }

    fn change(&mut self, offset: i64, step: Step<'a>) {
        self.order_matters = true;
        self.steps.push((offset, step));
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
