use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fluxgate_domain::ids::OrderId;

use crate::faults::history::{Ask, Reply};

/// What drivers know of each other's work.
#[derive(Debug, Default)]
pub struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    orders: Vec<Ask>,
    products: HashMap<OrderId, String>,
    taken: Vec<OrderId>,
}

/// How many of the last entries count as fresh.
const FRESH: usize = 60;

impl Book {
    /// Notes what is about to be asked.
    pub fn asked(&self, ask: &Ask) {
        if let Ask::Order { .. } = ask {
            self.pages().orders.push(ask.clone());
        }
    }

    /// Notes the order that an answer names.
    pub fn answered(&self, ask: &Ask, reply: &Reply) {
        let (Ask::Order { product, .. }, Some(id)) = (ask, reply.order_id()) else {
            return;
        };
        let mut pages = self.pages();
        if pages.products.insert(id, product.clone()).is_none() {
            pages.taken.push(id);
        }
    }

    /// Some request of an order, every other time one of the last.
    pub fn some_order(&self, rng: &mut fastrand::Rng) -> Option<Ask> {
        pick(&self.pages().orders, rng).cloned()
    }

    /// Some order that was taken, with its product; every other time one of the last.
    pub fn some_taken(&self, rng: &mut fastrand::Rng) -> Option<(String, OrderId)> {
        let pages = self.pages();
        let id = *pick(&pages.taken, rng)?;
        Some((pages.products.get(&id)?.clone(), id))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pick<'a, T>(all: &'a [T], rng: &mut fastrand::Rng) -> Option<&'a T> {
    let from = if rng.bool() {
        all.len().saturating_sub(FRESH)
    } else {
        0
    };
    rng.choice(&all[from..])
}
