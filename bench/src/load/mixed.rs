//! Orders as a crowd sends them: most come too late.

use std::net::SocketAddr;

use anyhow::Result;

use super::constant::Sent;
use super::request::{self, Prepared};
use crate::lab::SOLD_OUT;

/// Of so many orders one is of a sale that goes on, the others are of one that is sold out.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// The sale that goes on.
    pub product: String,
    pub taken_every: u64,
    /// Part of every key.
    pub run: String,
    /// So many users take turns.
    pub users: u64,
}

impl Mixed {
    pub fn one_in_a_hundred(product: &str) -> Self {
        Self {
            product: product.to_owned(),
            taken_every: 100,
            run: product.to_owned(),
            users: 1_000,
        }
    }

    pub fn order(&self, address: SocketAddr, number: u64) -> Result<Prepared> {
        let product = if self.is_taken(number) {
            &self.product
        } else {
            SOLD_OUT
        };
        let user = format!("user-{}", number % self.users);
        let key = format!("{}-{number}", self.run);
        request::order(address, product, &user, &key)
    }

    /// How many of the first so many are taken.
    pub fn taken_of(&self, count: u64) -> u64 {
        count.div_ceil(self.taken_every)
    }

    /// How many were not answered as they had to be.
    pub fn wrong(&self, sent: &[Sent]) -> u64 {
        let is_wrong = |sent: &&Sent| sent.status != Some(self.expected(sent.number));
        sent.iter().filter(is_wrong).count() as u64
    }

    fn is_taken(&self, number: u64) -> bool {
        number.is_multiple_of(self.taken_every)
    }

    fn expected(&self, number: u64) -> u16 {
        if self.is_taken(number) { 202 } else { 409 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_of_every_hundred_is_taken_and_the_others_are_refused() {
        let mixed = Mixed::one_in_a_hundred("p");
        let answered = |number, status| Sent {
            number,
            latency: Duration::ZERO,
            status: Some(status),
            reconnected: false,
        };
        let right = [answered(0, 202), answered(1, 409), answered(100, 202)];
        assert_eq!(mixed.wrong(&right), 0);
        assert_eq!(mixed.wrong(&[answered(0, 409), answered(99, 202)]), 2);
        assert_eq!([0, 1, 100, 101].map(|n| mixed.taken_of(n)), [0, 1, 1, 2]);
    }
}
