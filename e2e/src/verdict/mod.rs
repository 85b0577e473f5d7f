//! What buyers were told, held against what the stores say.
//!
//! Pure, so that its own tests can show that it finds what it is there to find.

#[cfg(test)]
pub(crate) mod example;
mod fault;
mod promises;
mod stock;
#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use promises::broken;
pub use stock::{Books, Rows, confirmed_units, wrong};

use crate::answer::Answer;
use crate::order::Sale;
use crate::truth::Truth;

/// Everything that is wrong with a sale, once the flow has come to rest. In `answers` each user
/// wants one order and has one key for it (see [`Sale::order_of`]); units are never given back.
pub fn verdict(sale: &Sale, answers: &[&Answer], truth: &Truth) -> Vec<Fault> {
    let mut faults = broken(answers, &truth.rows);
    let told_sold_out = answers.iter().any(|answer| answer.outcome.is_sold_out());
    let books = Books {
        rows: truth.rows.as_slice().into(),
        ledger: truth.ledger,
        shelf: truth.shelf,
        lag: truth.lag,
    };
    faults.extend(wrong(sale, told_sold_out, &books));
    faults
}
