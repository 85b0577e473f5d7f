//! A run that went right, for tests to spoil.

use fluxgate_domain::ids::OrderId;

use super::{
    AdminAnswer, AdminCall, AdminOutcome, Answer, History, Ledger, OrderAnswer, RedisSale, Row,
    StatusRead, StoreContents,
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
        let mut it = Self::sold(3);
        it.history.expectations.first_answer_unmarked = true;
        for buyer in [3, 4, 3, 4] {
            it.order(buyer, Answer::SoldOut);
        }
        it
    }

    /// Four units. Buyers 0 to 3 get one each, with numbers 1 to 4; buyer 4 is refused. Buyer 0 cancels (5), and buyer 5
    /// gets the unit (6). Two more units come (7), buyer 6 gets one (8), buyer 7 none, for he comes after the closing (9).
    pub fn with_changes() -> Self {
        let mut it = Self::sold(4);
        it.history.expectations.final_status_read = true;
        it.order(4, Answer::SoldOut);
        it.order(2, placed(2, Status::Confirmed, true));
        it.read(0, Status::Confirmed);
        it.call(AdminCall::Cancel(id(0)), AdminOutcome::Done);
        it.read(0, Status::Cancelled);
        it.release(0, Status::Cancelled);
        it.change(5, AdminCall::Cancel(id(0)));
        // The first answer was lost.
        it.order(5, Answer::Undecided);
        it.order(5, placed(5, Status::Accepted, true));
        it.sell(5, 6);
        it.call(restock("restock-1", 2), AdminOutcome::Done);
        it.change(7, restock("restock-1", 2));
        it.order(6, placed(6, Status::Reserved, false));
        it.sell(6, 8);
        it.call(AdminCall::Close, AdminOutcome::Done);
        it.change(9, AdminCall::Close);
        it.order(7, Answer::SaleClosed);
        for buyer in [1, 2, 3, 5, 6] {
            it.read(buyer, Status::Confirmed);
        }
        it
    }

    /// As many units as buyers, who have ordered one each, twice.
    fn sold(units: u32) -> Self {
        let total = units.into();
        let contents = StoreContents {
            opening_total: total,
            ledger: Some(Ledger { total, sold: 0 }),
            redis: Some(RedisSale {
                total,
                remaining: total,
                ..RedisSale::default()
            }),
            ..StoreContents::default()
        };
        let mut it = Self {
            history: History::default(),
            contents,
            clock_us: 0,
        };
        for buyer in 0..units {
            it.order(buyer, placed(buyer, Status::Accepted, false));
            it.order(buyer, placed(buyer, Status::Accepted, true));
            it.sell(buyer, i64::from(buyer) + 1);
        }
        it
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
        let answers = self.history.orders.iter_mut();
        let own = answers.filter(|it| it.buyer == buyer);
        own.for_each(|it| it.answer = answer);
    }

    /// One more row, whose unit Redis and the ledger count.
    pub fn sell(&mut self, buyer: u32, sequence: i64) {
        self.contents.rows.push(Row {
            sequence,
            buyer: Some(buyer),
            quantity: 1,
            id: id(buyer),
            status: Status::Confirmed,
        });
        self.ledger().sold += 1;
        self.redis().remaining -= 1;
        self.redis().records += 1;
        self.number(sequence);
    }

    /// Takes an order and everything that the stores hold of it away, except its number.
    pub fn unsell(&mut self, buyer: u32) {
        let sequence = self.row(buyer).sequence;
        self.release(buyer, Status::Rejected);
        self.contents.rows.retain(|row| row.buyer != Some(buyer));
        self.redis().records -= 1;
        self.change(sequence, AdminCall::Cancel(id(buyer)));
    }

    /// One more change, whose units the stores count.
    pub fn change(&mut self, sequence: i64, call: AdminCall) {
        if let AdminCall::Restock { units, .. } = call {
            self.add_units(units);
            self.redis().records += 1;
        }
        self.contents.changes.push((sequence, call));
        self.number(sequence);
    }

    fn number(&mut self, sequence: i64) {
        let redis = self.redis();
        redis.sequence = redis.sequence.max(sequence);
    }

    /// More units in Redis and the ledger; fewer where negative.
    pub fn add_units(&mut self, units: i64) {
        self.ledger().total += units;
        self.redis().total += units;
        self.redis().remaining += units;
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

pub fn restock(change_id: &str, units: i64) -> AdminCall {
    AdminCall::Restock {
        change_id: change_id.into(),
        units,
    }
}
