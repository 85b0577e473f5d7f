//! A run that went right, for tests to spoil.

use fluxgate_domain::ids::{IdempotencyKey, OrderId, RestockId, Tag, UserId};

use super::{Violation, violations};
use crate::answer::Status;
use crate::faults::end::{End, SaleEnd};
use crate::faults::history::{Ask, Asked, Reply};
use crate::order::Sale;
use crate::truth::{Change, Lag, Ledger, Row, Shelf, Truth};

/// Four units. Buyers 0 to 3 get one each, with numbers 1 to 4; buyer 4 is told that nothing is
/// left. Buyer 0 cancels (5), and buyer 5 gets the unit (6). Two more units come (7), buyer 6 gets
/// one (8), buyer 7 none, for he comes after the closing (9).
pub struct Example {
    pub history: Vec<Asked>,
    pub end: End,
    clock: u64,
}

impl Example {
    pub fn new() -> Self {
        let sale = Sale::unique("example", 4).unwrap();
        let mut it = Self {
            history: Vec::new(),
            end: End {
                sales: vec![SaleEnd {
                    truth: Truth {
                        rows: Vec::new(),
                        ledger: Some(Ledger { total: 6, sold: 5 }),
                        shelf: Some(Shelf {
                            total: 6,
                            remaining: 1,
                            sequence: 9,
                            records: 7,
                            outbox: 0,
                        }),
                        lag: Lag::default(),
                    },
                    numbers: (1..=9).collect(),
                    changes: Vec::new(),
                    sale,
                }],
                dead_letters: Vec::new(),
            },
            clock: 0,
        };
        for buyer in 0..4 {
            it.buy(buyer, it.taken(buyer, Status::Accepted, false));
            it.buy(buyer, it.taken(buyer, Status::Accepted, true));
        }
        it.buy(4, refused(409, "sold_out"));
        it.buy(2, it.taken(2, Status::Confirmed, true));
        it.look(0, Status::Confirmed);
        it.tell(it.cancel(0), it.taken(0, Status::Cancelled, false));
        it.look(0, Status::Cancelled);
        // Nobody heard the first answer.
        it.buy(5, silence());
        it.buy(5, it.taken(5, Status::Accepted, true));
        it.tell(it.restock(), sale_of(6));
        it.buy(6, it.taken(6, Status::Reserved, false));
        it.tell(it.close(), sale_of(6));
        it.buy(7, refused(409, "sale_closed"));
        for (buyer, sequence) in [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (6, 8)] {
            if buyer > 0 {
                it.look(buyer, Status::Confirmed);
            }
            let row = it.row_of(buyer, sequence);
            it.rows().push(row);
        }
        it.row(0).status = "cancelled".into();
        let key = IdempotencyKey::parse("restock-1").unwrap();
        let id = RestockId::derive(&it.sale().sale.product, &key).to_string();
        it.sale().changes = vec![change(&id, "restock", 2), change("close", "close", 0)];
        it
    }

    pub fn violations(&self) -> Vec<Violation> {
        violations(&self.history, &self.end)
    }

    /// Adds a question and its answer, after all others.
    pub fn tell(&mut self, ask: Ask, reply: Reply) {
        self.clock += 10;
        self.history.push(Asked {
            ask,
            copy: 0,
            sent_us: self.clock,
            done_us: self.clock + 5,
            reply,
        });
    }

    pub fn buy(&mut self, buyer: usize, reply: Reply) {
        self.tell(self.order(buyer, 1), reply);
    }

    pub fn look(&mut self, buyer: usize, status: Status) {
        let (product, id) = (self.product(), self.id(buyer));
        self.tell(
            Ask::Status { product, id },
            self.taken(buyer, status, false),
        );
    }

    pub fn order(&self, buyer: usize, quantity: u32) -> Ask {
        Ask::Order {
            product: self.product(),
            user: user(buyer),
            key: format!("key-{buyer}"),
            quantity,
        }
    }

    pub fn cancel(&self, buyer: usize) -> Ask {
        Ask::Cancel {
            product: self.product(),
            id: self.id(buyer),
        }
    }

    pub fn restock(&self) -> Ask {
        Ask::Restock {
            product: self.product(),
            key: "restock-1".into(),
            units: 2,
        }
    }

    pub fn close(&self) -> Ask {
        Ask::Close {
            product: self.product(),
        }
    }

    /// Changes the answers to all questions that `pick` picks.
    pub fn instead(&mut self, pick: impl Fn(&Asked) -> bool, reply: &Reply) {
        for asked in self.history.iter_mut().filter(|it| pick(it)) {
            asked.reply = reply.clone();
        }
    }

    pub fn taken(&self, buyer: usize, status: Status, replayed: bool) -> Reply {
        Reply::Order {
            id: self.id(buyer),
            status,
            replayed,
        }
    }

    pub fn id(&self, buyer: usize) -> OrderId {
        let product = &self.end.sales[0].sale.product;
        let user = UserId::parse(&user(buyer)).unwrap();
        let key = IdempotencyKey::parse(&format!("key-{buyer}")).unwrap();
        OrderId::derive(product, Tag::of(product), 1_700_000_000_000, &user, &key)
    }

    pub fn row_of(&self, buyer: usize, sequence: i64) -> Row {
        Row {
            id: self.id(buyer),
            user: user(buyer),
            quantity: 1,
            sequence,
            status: "confirmed".into(),
        }
    }

    pub fn rows(&mut self) -> &mut Vec<Row> {
        &mut self.sale().truth.rows
    }

    pub fn row(&mut self, buyer: usize) -> &mut Row {
        let id = self.id(buyer);
        self.rows().iter_mut().find(|row| row.id == id).unwrap()
    }

    pub fn sale(&mut self) -> &mut SaleEnd {
        &mut self.end.sales[0]
    }

    pub fn shelf(&mut self) -> &mut Shelf {
        self.sale().truth.shelf.as_mut().unwrap()
    }

    pub fn ledger(&mut self) -> &mut Ledger {
        self.sale().truth.ledger.as_mut().unwrap()
    }

    fn product(&self) -> String {
        self.end.sales[0].sale.product.to_string()
    }
}

pub fn user(buyer: usize) -> String {
    format!("buyer-{buyer}")
}

pub fn refused(http: u16, code: &str) -> Reply {
    Reply::Refused {
        http,
        code: code.into(),
    }
}

pub fn silence() -> Reply {
    Reply::Silence {
        error: "reset".into(),
    }
}

pub fn sale_of(total: i64) -> Reply {
    Reply::Sale {
        total,
        remaining: 0,
        status: "open".into(),
    }
}

pub fn change(id: &str, kind: &str, units: i64) -> Change {
    Change {
        id: id.into(),
        kind: kind.into(),
        units,
    }
}
