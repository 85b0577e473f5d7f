//! A sale that went right, for tests to spoil.

use std::time::Duration;

use fluxgate_domain::ids::{IdempotencyKey, OrderId, Tag, UserId};
use tokio::time::Instant;

use super::{Fault, verdict};
use crate::answer::{Answer, Outcome, Status};
use crate::order::Sale;
use crate::truth::{Lag, Ledger, Row, Shelf, Truth};

/// Three units, five buyers, two attempts each: buyers 0 to 2 get one, 3 and 4 do not.
pub struct Example {
    pub sale: Sale,
    pub answers: Vec<Answer>,
    pub truth: Truth,
}

impl Example {
    pub fn new() -> Self {
        let sale = Sale::unique("example", 3).unwrap();
        let mut example = Self {
            answers: Vec::new(),
            truth: Truth {
                rows: Vec::new(),
                ledger: Some(Ledger { total: 3, sold: 3 }),
                shelf: Some(Shelf {
                    total: 3,
                    remaining: 0,
                    sequence: 3,
                    records: 3,
                    outbox: 0,
                }),
                lag: Lag::default(),
            },
            sale,
        };
        for buyer in 0..3 {
            example.tell(buyer, accepted(example.id(buyer), false));
            example.tell(buyer, accepted(example.id(buyer), true));
            example.truth.rows.push(example.row(buyer));
        }
        for buyer in [3, 4, 3, 4] {
            example.tell(buyer, sold_out());
        }
        example
    }

    pub fn tell(&mut self, buyer: usize, outcome: Outcome) {
        self.answers.push(Answer {
            order: self.sale.order_of(buyer),
            sent_at: Instant::now(),
            latency: Duration::ZERO,
            outcome,
        });
    }

    pub fn id(&self, buyer: usize) -> OrderId {
        let order = self.sale.order_of(buyer);
        let (product, tag) = (&self.sale.product, Tag::of(&self.sale.product));
        let user = UserId::parse(&order.user).unwrap();
        let key = IdempotencyKey::parse(&order.key).unwrap();
        OrderId::derive(product, tag, 1_700_000_000_000, &user, &key)
    }

    pub fn accepted_as(&self, buyer: usize) -> Outcome {
        accepted(self.id(buyer), true)
    }

    pub fn row(&self, buyer: usize) -> Row {
        Row {
            id: self.id(buyer),
            user: self.sale.order_of(buyer).user.clone(),
            quantity: 1,
            sequence: i64::try_from(buyer).unwrap() + 1,
            status: "confirmed".into(),
        }
    }

    pub fn faults(&self) -> Vec<Fault> {
        verdict(
            &self.sale,
            &self.answers.iter().collect::<Vec<_>>(),
            &self.truth,
        )
    }

    pub fn shelf(&mut self) -> &mut Shelf {
        self.truth.shelf.as_mut().unwrap()
    }

    pub fn ledger(&mut self) -> &mut Ledger {
        self.truth.ledger.as_mut().unwrap()
    }
}

pub fn accepted(id: OrderId, replayed: bool) -> Outcome {
    Outcome::Accepted {
        id,
        status: Status::Accepted,
        replayed,
    }
}

pub fn sold_out() -> Outcome {
    Outcome::Refused {
        http: 409,
        code: "sold_out".into(),
    }
}
