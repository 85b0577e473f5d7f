//! A batch as columns, which `unnest` takes.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::OrderFacts;
use fluxgate_domain::apply::Operation;
use fluxgate_domain::batch::{Batch, Content, PartitionOffset, Record, Slice};
use fluxgate_domain::events::{Event, OrderReserved, SaleOpened};
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::order_facts::OrderFact;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{epoch_column, number_to_bits};

/// The records of a batch by what is done with them.
pub struct BatchRows<'a> {
    /// Sales that open on their partitions, with the offset of each opening.
    pub openings: Vec<(i64, &'a SaleOpened)>,
    /// Everything but dead letters; in offset order within a partition.
    pub operations: Vec<(PartitionOffset, Operation<'a>)>,
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
            operations: Vec::with_capacity(records),
            dead_letters: DeadLetterColumns::default(),
        }
    }

    fn push(&mut self, at: PartitionOffset, event: &'a Event) {
        match event {
            // One that names another partition is refused.
            Event::SaleOpened(sale) if sale.partition == at.partition => {
                self.openings.push((at.offset, sale));
            }
            _ => {}
        }
        self.operations.push((at, Operation::of(event)));
    }

    /// The products of all operations, each once.
    pub fn products(&self) -> Vec<&'a str> {
        let mut products = HashSet::new();
        let mut last = "";
        for (_, operation) in &self.operations {
            // Neighbours are often of the same sale.
            let product = operation.product().as_str();
            if product != last {
                products.insert(product);
                last = product;
            }
        }
        products.into_iter().collect()
    }

    /// The orders that are placed or changed.
    pub fn orders(&self) -> impl Iterator<Item = OrderId> {
        let operations = self.operations.iter();
        operations.filter_map(|(_, it)| it.order_id())
    }

    /// The orders that are changed, without those that are also placed, each with the fact about it if there is only one.
    pub fn changed_orders(&self) -> HashMap<OrderId, (&'a OrderReserved, Option<OrderFact>)> {
        let operations = || self.operations.iter().map(|(_, operation)| operation);
        let mut changed = HashMap::new();
        for (order, fact) in operations().filter_map(Operation::fact) {
            changed
                .entry(order.order_id)
                .and_modify(|(_, only)| *only = None)
                .or_insert((order, Some(fact)));
        }
        if !changed.is_empty() {
            for operation in operations() {
                if let Operation::Order(order) = operation {
                    changed.remove(&order.order_id);
                }
            }
        }
        changed
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

/// The columns of `orders` that say what is known about an order.
#[allow(missing_docs)]
pub struct FactColumns {
    pub statuses: Vec<&'static str>,
    pub completions: Vec<Option<i64>>,
    pub completions_refused: Vec<bool>,
    pub expiries: Vec<Option<i64>>,
    pub cancels: Vec<Option<i64>>,
    pub cancel_causes: Vec<Option<&'static str>>,
}

impl FactColumns {
    pub fn of<'a>(facts: impl Iterator<Item = &'a OrderFacts> + Clone) -> Self {
        let column = || facts.clone();
        let bits = |number: Option<_>| number.map(number_to_bits);
        Self {
            statuses: column().map(|it| it.status().as_str()).collect(),
            completions: column().map(|it| bits(it.completion)).collect(),
            completions_refused: column().map(|it| it.completion_refused).collect(),
            expiries: column().map(|it| bits(it.expiry)).collect(),
            cancels: column()
                .map(|it| bits(it.cancel.map(|cancel| cancel.number)))
                .collect(),
            cancel_causes: column()
                .map(|it| it.cancel.map(|cancel| cancel.by.as_str()))
                .collect(),
        }
    }
}
