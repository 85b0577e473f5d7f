//! Completions and expiries of orders that have to be paid.

use std::collections::BTreeSet;

use super::{Event, SaleModel};

impl SaleModel {
    /// The event of the order left the outbox: it can expire, unless something became of it already.
    pub(super) fn hold(&mut self, user: u8, key: u8) {
        let order = &self.orders[&(user, key)];
        let is_open = [order.completion, order.expiry, order.cancel] == [None; 3];
        if self.has_holds && is_open {
            self.holds.insert((user, key));
        }
    }

    /// The units of an order that was cancelled or has expired return.
    pub(super) fn give_back(&mut self, user: u8, key: u8) {
        let order = &self.orders[&(user, key)];
        self.remaining += order.quantity;
        *self.held.get_mut(&user).unwrap() -= order.quantity;
        if order.completion.is_some() {
            self.completed -= order.quantity;
        }
        if order.expiry.is_some() || order.is_cancelled_by_buyer {
            *self.unpaid.entry(user).or_default() += 1;
        }
    }

    pub fn complete(&mut self, user: u8, key: u8) -> String {
        let is_behind = self.is_behind();
        let Some(order) = self.orders.get(&(user, key)) else {
            return "Unknown".into();
        };
        if order.cancel.is_some() {
            return "Cancelled".into();
        }
        let sequence = match order.completion {
            Some(sequence) => sequence,
            None if order.expiry.is_some() => return "Expired".into(),
            None if is_behind => return "Behind".into(),
            None => {
                let sequence = self.append(Event::Completion);
                let order = self.orders.get_mut(&(user, key)).unwrap();
                order.completion = Some(sequence);
                self.completed += order.quantity;
                self.holds.remove(&(user, key));
                sequence
            }
        };
        self.recorded(sequence)
    }

    /// Lets all holds end. Redis expires them in the order of their ends, so the caller passes its order.
    pub fn expire(&mut self, orders: &[(u8, u8)]) {
        let expired: BTreeSet<_> = orders.iter().copied().collect();
        assert_eq!(expired, std::mem::take(&mut self.holds));
        for (user, key) in orders {
            let sequence = self.append(Event::Expiry(*user, *key));
            self.orders.get_mut(&(*user, *key)).unwrap().expiry = Some(sequence);
        }
    }

    /// Why nothing expires.
    pub fn refuse_expiry(&self) -> Option<&'static str> {
        match self.opened_total {
            None => Some("Unknown"),
            Some(_) if self.is_behind() => Some("Behind"),
            Some(_) => None,
        }
    }
}
