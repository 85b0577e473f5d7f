//! A run that went right, for tests to spoil.

use fluxgate_domain::ids::OrderId;

use super::{
    AdminAnswer, AdminCall, AdminOutcome, Answer, Change, ChangeKind, Expectations, History,
    Ledger, OrderAnswer, RedisSale, Row, StatusRead, StoreContents, Violation, violations,
};
use crate::answer::Status;

pub struct Example {
    pub history: History,
    pub contents: StoreContents,
    clock_us: u64,
}

impl Example {
    /// Three units, five buyers, each order sent twice. Buyers 0 to 2 get one unit each, 3 and 4 are refused. No unit
    /// comes back.
    pub fn sold_out() -> Self {
        let mut it = Self::opened_with(3);
        it.history.expectations.first_answer_unmarked = true;
        for buyer in 0..3 {
            it.order(buyer, placed(buyer, Status::Accepted, false));
            it.order(buyer, placed(buyer, Status::Accepted, true));
            it.sell(buyer, i64::from(buyer) + 1);
        }
        for buyer in [3, 4, 3, 4] {
            it.order(buyer, Answer::SoldOut);
        }
        it
    }

    /// Four units. Buyers 0 to 3 get one each, with numbers 1 to 4; buyer 4 is refused. Buyer 0 cancels (5), and buyer 5
    /// gets the unit (6). Two more units come (7), buyer 6 gets one (8), buyer 7 none, for he comes after the closing (9).
    pub fn with_changes() -> Self {
        let mut it = Self::opened_with(4);
        it.history.expectations.final_status_read = true;
        for buyer in 0..4 {
            it.order(buyer, placed(buyer, Status::Accepted, false));
            it.order(buyer, placed(buyer, Status::Accepted, true));
            it.sell(buyer, i64::from(buyer) + 1);
        }
        it.order(4, Answer::SoldOut);
        it.order(2, placed(2, Status::Confirmed, true));
        it.read(0, Status::Confirmed);
        it.call(AdminCall::Cancel(id(0)), AdminOutcome::Done);
        it.read(0, Status::Cancelled);
        it.row(0).status = Status::Cancelled;
        it.ledger().sold -= 1;
        it.redis().remaining += 1;
        // The first answer was lost.
        it.order(5, Answer::Undecided);
        it.order(5, placed(5, Status::Accepted, true));
        it.sell(5, 6);
        it.call(restock(), AdminOutcome::Done);
        it.order(6, placed(6, Status::Reserved, false));
        it.sell(6, 8);
        it.call(AdminCall::Close, AdminOutcome::Done);
        it.order(7, Answer::SaleClosed);
        (1..7)
            .filter(|buyer| *buyer != 4)
            .for_each(|buyer| it.read(buyer, Status::Confirmed));
        it.contents.changes = vec![change("restock-1", 2), close()];
        it.contents.change_sequences = vec![5, 7, 9];
        it.ledger().total = 6;
        it.redis().total = 6;
        it.redis().remaining += 2;
        it.redis().records += 1;
        it.redis().sequence = 9;
        it
    }

    fn opened_with(units: i64) -> Self {
        Self {
            history: History {
                expectations: Expectations::default(),
                ..History::default()
            },
            contents: StoreContents {
                opening_total: units,
                ledger: Some(Ledger {
                    total: units,
                    sold: 0,
                }),
                redis: Some(RedisSale {
                    total: units,
                    remaining: units,
                    sequence: 0,
                    records: 0,
                    outbox: 0,
                }),
                ..StoreContents::default()
            },
            clock_us: 0,
        }
    }

    pub fn violations(&self) -> Vec<Violation> {
        violations(&self.history, &self.contents)
    }

    /// Adds a request for one unit and its answer, after all others.
    pub fn order(&mut self, buyer: u32, answer: Answer) {
        self.order_of(buyer, 1, answer);
    }

    pub fn order_of(&mut self, buyer: u32, quantity: u32, answer: Answer) {
        let (sent_us, done_us) = self.tick();
        self.history.orders.push(OrderAnswer {
            sent_us,
            done_us,
            buyer,
            quantity,
            answer,
        });
    }

    pub fn read(&mut self, buyer: u32, status: Status) {
        let (sent_us, done_us) = self.tick();
        let id = id(buyer);
        self.history.status_reads.push(StatusRead {
            sent_us,
            done_us,
            id,
            status,
        });
    }

    pub fn call(&mut self, call: AdminCall, outcome: AdminOutcome) {
        let (sent_us, done_us) = self.tick();
        self.history.admin_calls.push(AdminAnswer {
            sent_us,
            done_us,
            call,
            outcome,
        });
    }

    fn tick(&mut self) -> (u64, u64) {
        self.clock_us += 10;
        (self.clock_us, self.clock_us + 5)
    }

    /// Changes all answers to a buyer.
    pub fn answer_instead(&mut self, buyer: u32, answer: Answer) {
        let own = self
            .history
            .orders
            .iter_mut()
            .filter(|it| it.buyer == buyer);
        own.for_each(|it| it.answer = answer);
    }

    /// One more row, whose unit Redis and the ledger count.
    pub fn sell(&mut self, buyer: u32, sequence: i64) {
        self.contents.rows.push(row(buyer, sequence));
        self.ledger().sold += 1;
        self.redis().remaining -= 1;
        self.redis().records += 1;
        self.redis().sequence = sequence;
    }

    /// Takes an order and everything that the stores hold of it away, except its number.
    pub fn unsell(&mut self, buyer: u32) {
        let sequence = self.row(buyer).sequence;
        self.contents.rows.retain(|row| row.buyer != Some(buyer));
        self.contents.change_sequences.push(sequence);
        self.ledger().sold -= 1;
        self.redis().remaining += 1;
        self.redis().records -= 1;
    }

    /// Gives a row another status; its unit is free again.
    pub fn release(&mut self, buyer: u32, status: Status) {
        self.row(buyer).status = status;
        self.ledger().sold -= 1;
        self.redis().remaining += 1;
    }

    pub fn row(&mut self, buyer: u32) -> &mut Row {
        let mut rows = self.contents.rows.iter_mut();
        rows.find(|row| row.buyer == Some(buyer)).unwrap()
    }

    pub fn redis(&mut self) -> &mut RedisSale {
        self.contents.redis.as_mut().unwrap()
    }

    pub fn ledger(&mut self) -> &mut Ledger {
        self.contents.ledger.as_mut().unwrap()
    }
}

pub fn id(buyer: u32) -> OrderId {
    let id = format!("018bcfe5-6800-8abc-9def-{buyer:012x}");
    id.parse().unwrap()
}

pub fn placed(buyer: u32, status: Status, replayed: bool) -> Answer {
    let id = id(buyer);
    Answer::Placed {
        id,
        status,
        replayed,
    }
}

pub fn row(buyer: u32, sequence: i64) -> Row {
    Row {
        sequence,
        buyer: Some(buyer),
        quantity: 1,
        id: id(buyer),
        status: Status::Confirmed,
    }
}

pub fn restock() -> AdminCall {
    AdminCall::Restock {
        change_id: "restock-1".into(),
        units: 2,
    }
}

pub fn change(id: &str, units: i64) -> Change {
    Change {
        id: id.into(),
        kind: ChangeKind::Restock,
        units,
    }
}

fn close() -> Change {
    Change {
        id: "close".into(),
        kind: ChangeKind::Close,
        units: 0,
    }
}
