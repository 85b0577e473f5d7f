//! A batch as columns, which `unnest` takes.

use std::collections::HashSet;

use fluxgate_domain::apply::Operation;
use fluxgate_domain::batch::{Batch, Content, PartitionOffset, Record, Slice};
use fluxgate_domain::events::{Event, OrderReserved, SaleOpened};
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::epoch_column;

/// The records of a batch by what is done with them.
pub struct BatchRows<'a> {
    /// Sales that open on their partitions, with the offset of each opening.
    pub openings: Vec<(i64, &'a SaleOpened)>,
    /// New orders.
    pub orders: Vec<&'a OrderReserved>,
    /// Everything but dead letters; in offset order within a partition.
    pub operations: Vec<(PartitionOffset, Operation<'a>)>,
    /// Whether the operations must be applied one by one: one is not a new order, or comes before the opening of its
    /// sale, or opens a sale of another partition.
    pub needs_slow_path: bool,
    /// Records that cannot be applied.
    pub dead_letters: DeadLetterColumns<'a>,
}

impl<'a> BatchRows<'a> {
    pub fn of(batch: &'a Batch) -> Self {
        let mut rows = Self::with_capacity(batch.len());
        for slice in &batch.slices {
            for record in &slice.records {
                match &record.content {
                    Content::Event(event) => rows.push(record.place(slice.partition), event),
                    Content::DeadLetter(reason) => rows.dead_letters.push(slice, record, reason),
                }
            }
        }
        rows
    }

    /// The rows of events that are applied in this order, on one partition.
    pub fn of_events(partition: i32, events: &'a [Event]) -> Self {
        let mut rows = Self::with_capacity(events.len());
        for (offset, event) in (0..).zip(events) {
            rows.push(PartitionOffset { partition, offset }, event);
        }
        rows
    }

    fn with_capacity(records: usize) -> Self {
        Self {
            openings: Vec::new(),
            orders: Vec::with_capacity(records),
            operations: Vec::with_capacity(records),
            needs_slow_path: false,
            dead_letters: DeadLetterColumns::default(),
        }
    }

    fn push(&mut self, at: PartitionOffset, event: &'a Event) {
        match event {
            Event::SaleOpened(sale) if sale.partition != at.partition => {
                self.needs_slow_path = true;
            }
            Event::SaleOpened(sale) => {
                let mut orders = self.orders.iter();
                self.needs_slow_path |= orders.any(|order| order.product_id == sale.product_id);
                self.openings.push((at.offset, sale));
            }
            Event::OrderReserved(order) => self.orders.push(order),
            Event::OrderCancelled(_)
            | Event::SaleRestocked(_)
            | Event::SaleClosed(_)
            | Event::SaleFenced(_) => self.needs_slow_path = true,
        }
        self.operations.push((at, Operation::of(event)));
    }

    /// Each product with the partition on which it is; twice if it is on two.
    pub fn partitions(&self) -> HashSet<(&'a str, i32)> {
        let operations = self.operations.iter();
        operations
            .map(|(at, it)| (it.product().as_str(), at.partition))
            .collect()
    }

    /// The first opening of each product.
    pub fn first_openings(&self) -> Vec<&'a SaleOpened> {
        let mut seen = HashSet::new();
        let openings = self.openings.iter().map(|(_, sale)| *sale);
        openings
            .filter(|sale| seen.insert(&sale.product_id))
            .collect()
    }
}

/// The columns of `dead_letters`.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct DeadLetterColumns<'a> {
    pub partitions: Vec<i32>,
    pub log_numbers: Vec<i32>,
    pub offsets: Vec<i64>,
    pub reasons: Vec<&'a str>,
    pub keys: Vec<Option<&'a [u8]>>,
    pub values: Vec<Option<&'a [u8]>>,
}

impl<'a> DeadLetterColumns<'a> {
    pub fn push(&mut self, slice: &Slice, record: &'a Record, reason: &'a str) {
        self.partitions.push(slice.partition);
        self.log_numbers.push(slice.log_number);
        self.offsets.push(record.offset);
        self.reasons.push(reason);
        self.keys.push(record.source.key());
        self.values.push(record.source.value());
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
            epochs: column().map(|order| epoch_column(order.epoch)).collect(),
            sequences: column().map(|order| order.sequence.into()).collect(),
            placed_at: column().map(|order| order.placed_at).collect(),
        }
    }
}
