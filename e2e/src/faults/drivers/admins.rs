use super::Driver;
use super::book::Book;
use crate::faults::history::Ask;
use crate::faults::market::Market;

/// Of a hundred changes, those that repeat an earlier one, perhaps while it is still under way.
const REPEATED_PERCENT: u32 = 35;
/// Units of a restock, at least and at most.
const UNITS: std::ops::RangeInclusive<u32> = 5..=30;

/// Cancels of orders that were taken.
pub struct Cancels(Repeater);

impl Cancels {
    pub fn new(rng: fastrand::Rng) -> Self {
        Self(Repeater::new(rng))
    }
}

impl Driver for Cancels {
    fn next(&mut self, book: &Book) -> Option<Ask> {
        self.0.next(|rng| {
            let (product, id) = book.some_taken(rng)?;
            Some(Ask::Cancel { product, id })
        })
    }
}

/// Restocks of the sales that sell out.
pub struct Restocks {
    products: Vec<String>,
    repeater: Repeater,
    count: u32,
}

impl Restocks {
    pub fn new(market: &Market, rng: fastrand::Rng) -> Self {
        let scarce = market
            .sales
            .iter()
            .filter(|sale| *sale != market.evergreen());
        Self {
            products: scarce.map(|sale| sale.product.to_string()).collect(),
            repeater: Repeater::new(rng),
            count: 0,
        }
    }
}

impl Driver for Restocks {
    fn next(&mut self, _: &Book) -> Option<Ask> {
        let (products, count) = (&self.products, &mut self.count);
        self.repeater.next(|rng| {
            *count += 1;
            Some(Ask::Restock {
                product: rng.choice(products)?.clone(),
                key: format!("restock-{count}"),
                units: rng.u32(UNITS),
            })
        })
    }
}

/// Asks something new, or something that was asked before.
struct Repeater {
    asked: Vec<Ask>,
    rng: fastrand::Rng,
}

impl Repeater {
    fn new(rng: fastrand::Rng) -> Self {
        Self {
            asked: Vec::new(),
            rng,
        }
    }

    fn next(&mut self, new: impl FnOnce(&mut fastrand::Rng) -> Option<Ask>) -> Option<Ask> {
        if !self.asked.is_empty() && self.rng.u32(..100) < REPEATED_PERCENT {
            return self.rng.choice(&self.asked).cloned();
        }
        let ask = new(&mut self.rng)?;
        self.asked.push(ask.clone());
        Some(ask)
    }
}
