//! A sale as it should be: the same calls as the scripts take, without Redis.
//!
//! Outcomes are texts in the form of the gate's own `Debug` output, so that a test can compare both.

mod changes;
mod holds;

use std::collections::{BTreeMap, BTreeSet};

/// Units that one user may hold in a sale with a limit.
pub const USER_LIMIT: u32 = 4;

/// Orders that a sale with a window takes of one user; no test runs as long as the window.
pub const ORDERS_PER_USER: u32 = 2;

/// Unpaid orders at which a user gets no further one, in a sale with holds.
pub const UNPAID_PER_USER: u32 = 2;

/// An order of a small set of users and keys.
#[derive(Debug, Clone, Copy)]
pub struct OrderCall {
    pub user: u8,
    pub key: u8,
    pub quantity: u8,
}

/// One unit for a user.
pub const fn order(user: u8) -> OrderCall {
    OrderCall {
        user,
        key: 0,
        quantity: 1,
    }
}

#[derive(Default)]
pub struct SaleModel {
    /// Units that one user may hold.
    pub user_limit: Option<u32>,
    /// Orders of one user.
    pub orders_per_user: Option<u32>,
    /// Whether orders have to be paid.
    pub has_holds: bool,
    /// Orders by user that were left unpaid.
    unpaid: BTreeMap<u8, u32>,
    /// Units at opening; `None`: not claimed.
    pub opened_total: Option<u32>,
    pub remaining: u32,
    /// Units of orders that are paid.
    pub completed: u32,
    /// Orders that can expire.
    pub holds: BTreeSet<(u8, u8)>,
    /// Units of restocks that count.
    pub restocked: u32,
    /// The last number given out.
    pub sequence: u32,
    /// The highest number that the caller has seen.
    pub high_water_mark: u32,
    /// The events that wait.
    pub outbox: BTreeMap<u32, Event>,
    /// The number of the first order and of the orders of each shared entry, by the number of each.
    shared: BTreeMap<u32, (u32, u8)>,
    /// How often it was retired.
    retirements: u32,
    state: State,
    /// Units of all restocks, also of those that do not count yet.
    planned: u32,
    orders: BTreeMap<(u8, u8), Order>,
    /// Number and units, by key.
    restocks: BTreeMap<u8, (u32, u32)>,
    /// The number of the closing.
    closing: Option<u32>,
    /// The number of the last amendment.
    amended: Option<u32>,
    /// Units by user.
    held: BTreeMap<u8, u32>,
    /// Orders taken, also those that were cancelled, by user.
    placed: BTreeMap<u8, u32>,
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Opening,
    Open,
    Closed,
}

struct Order {
    sequence: u32,
    quantity: u32,
    /// The number of its completion.
    completion: Option<u32>,
    /// The number of its expiry.
    expiry: Option<u32>,
    /// The number of its cancel.
    cancel: Option<u32>,
    is_cancelled_by_buyer: bool,
}

#[derive(Clone, Copy)]
pub enum Event {
    Opening,
    Order(u8, u8),
    Cancel(u8, u8),
    Completion,
    Expiry(u8, u8),
    Restock(u8),
    Amendment,
    Closing,
}

impl Event {
    pub fn makes_room(self) -> bool {
        match self {
            Self::Opening | Self::Cancel(..) | Self::Expiry(..) | Self::Restock(_) => true,
            Self::Order(..) | Self::Completion | Self::Amendment | Self::Closing => false,
        }
    }
}

impl SaleModel {
    /// Claims the sale; true if it was new.
    pub fn claim(&mut self, total: u32) -> bool {
        if self.opened_total.is_some() {
            return false;
        }
        (self.opened_total, self.remaining) = (Some(total), total);
        self.outbox.insert(0, Event::Opening);
        true
    }

    /// The orders of a call; those taken share an entry, if `shares_entries`. An order that is given again is refused as it was
    /// the first time. If the instance knows nothing of limits that the sale has, no new order is taken.
    pub fn reserve(
        &mut self,
        calls: &[OrderCall],
        shares_entries: bool,
        is_limited: bool,
    ) -> Vec<String> {
        let is_moved = self.is_limited() && !is_limited;
        let first = self.sequence + 1;
        let mut outcomes: Vec<String> = Vec::new();
        for (n, call) in calls.iter().enumerate() {
            let is_it = |other: &OrderCall| (other.user, other.key) == (call.user, call.key);
            let refused = calls[..n]
                .iter()
                .position(is_it)
                .map(|first| &outcomes[first]);
            let refused = refused.filter(|first| !first.starts_with("reserved "));
            outcomes.push(
                refused
                    .cloned()
                    .unwrap_or_else(|| self.reserve_one(*call, is_moved)),
            );
        }
        let taken = self.sequence + 1 - first;
        for number in first..=self.sequence {
            if shares_entries && taken > 1 {
                self.shared.insert(number, (first, taken as u8));
            }
        }
        outcomes
    }

    fn is_limited(&self) -> bool {
        self.orders_per_user.is_some() || self.has_holds
    }

    fn reserve_one(&mut self, call: OrderCall, is_moved: bool) -> String {
        let (user, quantity) = (call.user, u32::from(call.quantity));
        if let Some(order) = self.orders.get(&(user, call.key)) {
            let waiting = self.outbox.contains_key(&order.sequence);
            return format!("known {} {waiting}", order.sequence);
        }
        let held = self.held.get(&user).copied().unwrap_or_default();
        let unpaid = self.unpaid.get(&user).copied().unwrap_or_default();
        let placed = self.placed.get(&user).copied().unwrap_or_default();
        if self.opened_total.is_none() {
            "Unknown".into()
        } else if is_moved {
            "Moved".into()
        } else if self.is_behind() {
            "Behind".into()
        } else if self.state == State::Opening {
            "NotOpen { opens_in_ms: 0 }".into()
        } else if self.is_closed() {
            "Closed".into()
        } else if self.remaining == 0 {
            "SoldOut".into()
        } else if self.user_limit.is_some_and(|it| held + quantity > it) {
            "UserLimit".into()
        } else if self.has_holds && unpaid >= UNPAID_PER_USER {
            "UnpaidLimit".into()
        } else if self.remaining < quantity {
            "Insufficient".into()
        } else if self.orders_per_user.is_some_and(|it| placed >= it) {
            "UserRateLimited".into()
        } else {
            self.placed.insert(user, placed + 1);
            self.held.insert(user, held + quantity);
            self.remaining -= quantity;
            let sequence = self.append(Event::Order(user, call.key));
            let order = Order {
                sequence,
                quantity,
                completion: None,
                expiry: None,
                cancel: None,
                is_cancelled_by_buyer: false,
            };
            self.orders.insert((user, call.key), order);
            format!("reserved {sequence}")
        }
    }

    /// The first number and the number of events of the entry that has, or had, this event.
    pub fn entry_of(&self, sequence: u32) -> (u32, u8) {
        self.shared.get(&sequence).copied().unwrap_or((sequence, 1))
    }

    /// How many entries have events that wait.
    pub fn entries(&self) -> usize {
        let firsts = self
            .outbox
            .keys()
            .map(|sequence| self.entry_of(*sequence).0);
        firsts.collect::<BTreeSet<_>>().len()
    }

    /// Acknowledges all events of an entry that takes room.
    pub fn ack_entry(&mut self, (first, events): (u32, u8)) {
        for sequence in first..first + u32::from(events) {
            self.ack(sequence);
        }
    }

    /// Acknowledges an event and applies its effect; whether it makes room. `None` if it does not wait.
    pub fn ack(&mut self, sequence: u32) -> Option<bool> {
        let event = self.outbox.remove(&sequence)?;
        match event {
            Event::Order(user, key) => {
                self.hold(user, key);
                return Some(false);
            }
            Event::Completion | Event::Amendment | Event::Closing => return Some(false),
            Event::Opening => self.state = State::Open,
            Event::Cancel(user, key) | Event::Expiry(user, key) => self.give_back(user, key),
            Event::Restock(key) => {
                let (_, units) = self.restocks[&key];
                self.remaining += units;
                self.restocked += units;
            }
        }
        Some(true)
    }

    /// Retires the sale: the number of the retirement, or why not.
    pub fn retire(&mut self) -> String {
        if self.opened_total.is_none() {
            "Gone".into()
        } else if self.is_closed() && self.outbox.is_empty() && self.holds.is_empty() {
            self.retirements += 1;
            format!("Retired({})", self.retirements)
        } else {
            "NotYet".into()
        }
    }

    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn is_behind(&self) -> bool {
        self.sequence < self.high_water_mark
    }

    fn append(&mut self, event: Event) -> u32 {
        self.sequence += 1;
        self.outbox.insert(self.sequence, event);
        self.sequence
    }

    fn recorded(&self, sequence: u32) -> String {
        format!(
            "recorded {sequence} {}",
            self.outbox.contains_key(&sequence)
        )
    }
}
