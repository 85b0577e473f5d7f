//! The result of an audit for one sale. Pure.

use fluxgate_domain::ids::{OrderId, ProductId};

use super::Outcome;
use crate::Undecided;

/// Orders that one objection names.
const NAMED_MAX: usize = 3;

/// The result of an audit for one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The product of the sale.
    pub product: ProductId,
    /// Its state in Redis: opening, open, closed, rebuilding, gone.
    pub state: &'static str,
    /// Units for sale, from Redis; from the ledger if Redis does not have the sale.
    pub total: i64,
    /// Units that are not sold, from Redis.
    pub remaining: i64,
    /// Entries in the outbox.
    pub outbox: u64,
    /// Units of confirmed and completed orders.
    pub sold: i64,
    /// Units of completed orders; they are among those that are sold.
    pub completed: i64,
    /// Units of orders that wait for their payment, in a sale with holds: counted, not computed from the others.
    pub held: i64,
    /// Orders that were paid when the ledger had no units left for them, and that nobody has cancelled since.
    pub paid_without_unit: usize,
    /// Orders cancelled.
    pub cancelled: usize,
    /// Orders expired.
    pub expired: usize,
    /// Orders rejected. They hold no units, because Redis had lost data.
    pub rejected: usize,
    /// Dead letters with a number of this sale.
    pub dead_letters: usize,
    /// Numbers of the current epoch that no store has.
    pub missing: i64,
    /// Numbers of earlier epochs that no store has: lost before the sale was rebuilt.
    pub lost_before: i64,
    /// What is wrong, one sentence each.
    pub objections: Vec<String>,
    /// Whether some of it is wrong whatever is still on its way to PostgreSQL.
    pub proven: bool,
    /// Why the result is undecided, one sentence each.
    pub doubts: Vec<String>,
}

impl Findings {
    /// The findings for a sale of which nothing is known yet.
    pub(super) fn none(product: ProductId) -> Self {
        Self {
            product,
            state: "gone",
            total: 0,
            remaining: 0,
            outbox: 0,
            sold: 0,
            completed: 0,
            held: 0,
            paid_without_unit: 0,
            cancelled: 0,
            expired: 0,
            rejected: 0,
            dead_letters: 0,
            missing: 0,
            lost_before: 0,
            objections: Vec::new(),
            proven: false,
            doubts: Vec::new(),
        }
    }

    /// The result for a product that no store knows.
    pub fn unknown(product: ProductId) -> Self {
        let mut found = Self::none(product);
        found.object("no store knows this product".to_owned());
        found
    }

    /// Adds why PostgreSQL has not reached the end of the sale's partition.
    pub fn note_behind(&mut self, why: &Undecided) {
        match why {
            Undecided::Shorter { .. } | Undecided::Halted { .. } => self.prove(why.to_string()),
            _ => self.doubt(why.to_string()),
        }
    }

    /// Adds that no relay looks at the outbox, which has entries, or at the holds.
    pub fn note_unrelayed(&mut self) {
        let count = self.outbox;
        self.prove(format!(
            "no relay publishes the {count} entries of its outbox, and no order expires: the sale is not in the index; repeat its PUT"
        ));
    }

    /// Adds that these orders would never expire.
    pub fn note_unheld(&mut self, orders: &[OrderId]) {
        let named = orders.iter().take(NAMED_MAX).map(ToString::to_string);
        let named: Vec<String> = named.collect();
        let more = match orders.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.prove(format!(
            "{} orders would never expire, because they are neither in the outbox nor among the holds: {}{more}; rebuild it",
            orders.len(),
            named.join(", ")
        ));
    }

    /// The conclusion. A doubt outweighs objections, because the next audit may see more; it does not outweigh a proof.
    pub fn outcome(&self) -> Outcome {
        if self.proven {
            Outcome::Wrong
        } else if !self.doubts.is_empty() {
            Outcome::Undecided
        } else if !self.objections.is_empty() {
            Outcome::Wrong
        } else {
            Outcome::Right
        }
    }

    /// Adds an objection that records on their way to PostgreSQL cannot refute.
    pub(super) fn prove(&mut self, objection: String) {
        self.proven = true;
        self.object(objection);
    }

    /// Adds an objection that records on their way to PostgreSQL may refute.
    pub(super) fn object(&mut self, objection: String) {
        self.objections.push(objection);
    }

    /// Adds a reason why the result is undecided.
    pub(super) fn doubt(&mut self, doubt: String) {
        self.doubts.push(doubt);
    }
}
