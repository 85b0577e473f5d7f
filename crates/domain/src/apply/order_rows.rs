use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{AppliedBatch, ExistingOrder, NewOrder};
use crate::OrderFacts;
use crate::events::OrderReserved;
use crate::ids::OrderId;

/// The rows of orders while a batch is applied: those that exist, and what the batch writes.
pub struct OrderRows<'a, 'e> {
    existing: &'e HashMap<OrderId, ExistingOrder>,
    new: Vec<NewOrder<'a>>,
    /// The places of orders in `new`.
    places: HashMap<OrderId, usize>,
    /// What is known now about orders in `existing`.
    changed: HashMap<OrderId, OrderFacts>,
}

impl<'a, 'e> OrderRows<'a, 'e> {
    /// The rows before a batch of so many operations.
    pub fn before(existing: &'e HashMap<OrderId, ExistingOrder>, operations: usize) -> Self {
        Self {
            existing,
            new: Vec::with_capacity(operations),
            places: HashMap::with_capacity(operations),
            changed: HashMap::new(),
        }
    }

    /// The row of an order as the batch has left it so far.
    pub fn get(&self, id: OrderId) -> Option<ExistingOrder> {
        if let Some(&place) = self.places.get(&id) {
            let NewOrder { order, facts } = self.new[place];
            let epoch = order.epoch;
            return Some(ExistingOrder { epoch, facts });
        }
        let row = self.existing.get(&id)?;
        let facts = self.changed.get(&id).copied().unwrap_or(row.facts);
        Some(ExistingOrder { facts, ..*row })
    }

    /// Writes the row of an order anew; true if it had none.
    pub fn write(&mut self, order: &'a OrderReserved, facts: OrderFacts) -> bool {
        let id = order.order_id;
        let row = NewOrder { order, facts };
        match self.places.entry(id) {
            Entry::Occupied(place) => {
                self.new[*place.get()] = row;
                false
            }
            Entry::Vacant(place) => {
                place.insert(self.new.len());
                self.new.push(row);
                if self.existing.contains_key(&id) {
                    self.changed.remove(&id);
                    return false;
                }
                true
            }
        }
    }

    /// Changes the row of an order that has one.
    pub fn change(&mut self, id: OrderId, facts: OrderFacts) {
        match self.places.get(&id) {
            Some(&place) => self.new[place].facts = facts,
            None => {
                self.changed.insert(id, facts);
            }
        }
    }

    /// Adds the rows to what the batch writes.
    pub fn finish(self, applied: &mut AppliedBatch<'a>) {
        applied.orders = self.new;
        applied.changed = self.changed;
    }
}
