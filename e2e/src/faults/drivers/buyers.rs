use fluxgate_domain::ids::OrderId;

use super::Driver;
use super::book::Book;
use crate::faults::history::Ask;
use crate::faults::market::Market;

/// Of a hundred retries, those that ask for another quantity with the same key.
const OTHER_QUANTITY_PERCENT: u32 = 3;
/// Orders that are looked at again and again.
const FOLLOWED: usize = 12;

/// New orders, each of a new buyer with a key of his own, for some sale.
pub struct Buyers {
    products: Vec<String>,
    rng: fastrand::Rng,
    count: u64,
}

impl Buyers {
    pub fn new(market: &Market, rng: fastrand::Rng) -> Self {
        Self {
            products: products(market),
            rng,
            count: 0,
        }
    }
}

impl Driver for Buyers {
    fn next(&mut self, _: &Book) -> Option<Ask> {
        self.count += 1;
        let number = self.count;
        Some(Ask::Order {
            product: self.rng.choice(&self.products)?.clone(),
            user: format!("buyer-{number}"),
            key: format!("key-{number}"),
            quantity: self.rng.choice([1, 1, 1, 1, 2, 3])?,
        })
    }
}

/// Orders that were sent before, once more: taken ones, refused ones, and those without an answer.
pub struct Retries(pub fastrand::Rng);

impl Driver for Retries {
    fn next(&mut self, book: &Book) -> Option<Ask> {
        let mut ask = book.some_order(&mut self.0)?;
        if let Ask::Order { quantity, .. } = &mut ask
            && self.0.u32(..100) < OTHER_QUANTITY_PERCENT
        {
            *quantity += 1;
        }
        Some(ask)
    }
}

/// How far orders are: some of them again and again, the rest as it comes.
pub struct Reads {
    followed: Vec<(String, OrderId)>,
    rng: fastrand::Rng,
}

impl Reads {
    pub fn new(rng: fastrand::Rng) -> Self {
        Self {
            followed: Vec::new(),
            rng,
        }
    }
}

impl Driver for Reads {
    fn next(&mut self, book: &Book) -> Option<Ask> {
        let (product, id) = if self.followed.len() < FOLLOWED || self.rng.bool() {
            let taken = book.some_taken(&mut self.rng)?;
            if self.followed.len() < FOLLOWED {
                self.followed.push(taken.clone());
            } else if self.rng.u32(..20) == 0 {
                // Somebody else, from time to time: an order's way is short.
                let place = self.rng.usize(..FOLLOWED);
                self.followed[place] = taken.clone();
            }
            taken
        } else {
            self.rng.choice(&self.followed)?.clone()
        };
        Some(Ask::Status { product, id })
    }
}

/// What is left of a sale.
pub struct Looks {
    products: Vec<String>,
    rng: fastrand::Rng,
}

impl Looks {
    pub fn new(market: &Market, rng: fastrand::Rng) -> Self {
        Self {
            products: products(market),
            rng,
        }
    }
}

impl Driver for Looks {
    fn next(&mut self, _: &Book) -> Option<Ask> {
        let product = self.rng.choice(&self.products)?.clone();
        Some(Ask::Sale { product })
    }
}

fn products(market: &Market) -> Vec<String> {
    let sales = market.sales.iter();
    sales.map(|sale| sale.product.to_string()).collect()
}
