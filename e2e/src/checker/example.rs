//! A run that went right, for tests to spoil.

use fluxgate_domain::ids::{OrderId, ProductId};

use super::{AdminCall, Expectations, History, Ledger, RedisSale, Row, StoreContents};
use crate::answer::{Answer, Failure, OrderShown, REFUSALS, Response, SaleShown, Status};
use crate::exchange::{Exchange, Request};
use crate::order::{Action, Sale};

pub const UNANSWERED: Response = Response::NoAnswer(Failure::TimedOut);

pub struct Example {
    sale: Sale,
    /// In the order of sending.
    pub exchanges: Vec<Exchange>,
    pub expectations: Expectations,
    pub contents: StoreContents,
    clock_us: u64,
}

impl Example {
    /// Three units, five buyers, each order sent twice. Buyers 0 to 2 get one unit each, 3 and 4 are refused. No unit
    /// comes back.
    pub fn sold_out() -> Self {
        let mut it = Self::sold(3);
        it.expectations.first_answer_unmarked = true;
        for buyer in [3, 4, 3, 4] {
            it.order(buyer, Answer::SoldOut);
        }
        it
    }

    /// Four units. Buyers 0 to 3 get one each, with numbers 1 to 4; buyer 4 is refused. Buyer 0 cancels (5), and buyer 5
    /// gets the unit (6). Two more units come (7), buyer 6 gets one (8), buyer 7 none, for he comes after the closing (9).
    pub fn with_changes() -> Self {
        let mut it = Self::sold(4);
        it.expectations.final_status_read = true;
        it.order(4, Answer::SoldOut);
        it.order(2, placed(2, Status::Confirmed, true));
        it.read(0, Status::Confirmed);
        it.done(Action::Cancel(id(0)));
        it.read(0, Status::Cancelled);
        it.release(0, Status::Cancelled);
        it.change(5, Action::Cancel(id(0)));
        // The first answer was lost.
        it.order(5, Answer::Undecided);
        it.order(5, placed(5, Status::Accepted, true));
        it.sell(5, 6);
        it.done(restock(1, 2));
        it.change(7, restock(1, 2));
        it.order(6, placed(6, Status::Reserved, false));
        it.sell(6, 8);
        it.done(Action::Close);
        it.change(9, Action::Close);
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
        let product = ProductId::parse("example").unwrap();
        let mut it = Self {
            sale: Sale {
                product,
                total: units,
            },
            exchanges: Vec::new(),
            expectations: Expectations::default(),
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

    pub fn history(&self) -> History<'_> {
        History {
            sale: &self.sale,
            number: 0,
            exchanges: &self.exchanges,
            expectations: self.expectations,
        }
    }

    /// Adds a request for one unit and its answer, after all others.
    pub fn order(&mut self, buyer: u32, answer: Answer) {
        self.order_of(buyer, 1, answer);
    }

    pub fn order_of(&mut self, buyer: u32, quantity: u32, answer: Answer) {
        self.ask(Action::Order { buyer, quantity }, response(answer));
    }

    pub fn read(&mut self, buyer: u32, status: Status) {
        let shown = placed(buyer, status, false);
        self.ask(Action::ReadStatus(id(buyer)), response(shown));
    }

    /// Adds an admin call that was done.
    pub fn done(&mut self, action: Action) {
        let response = match action {
            Action::Cancel(id) => Response::Order(OrderShown {
                id,
                status: Status::Cancelled,
                replayed: false,
            }),
            _ => Response::Sale(SaleShown {
                total: 0,
                remaining: 0,
            }),
        };
        self.ask(action, response);
    }

    pub fn ask(&mut self, action: Action, response: Response) {
        self.clock_us += 10;
        self.exchanges.push(Exchange {
            request: Request { sale: 0, action },
            instance: 0,
            number: 1,
            due_us: self.clock_us,
            sent_us: self.clock_us,
            done_us: self.clock_us + 5,
            response,
        });
    }

    /// Changes all answers to a buyer.
    pub fn answer_instead(&mut self, buyer: u32, answer: Answer) {
        for it in &mut self.exchanges {
            if it.order_answer().is_some_and(|it| it.buyer == buyer) {
                it.response = response(answer);
            }
        }
    }

    /// The last exchange.
    pub fn last(&mut self) -> &mut Exchange {
        self.exchanges.last_mut().unwrap()
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
        self.change(sequence, Action::Cancel(id(buyer)));
    }

    /// One more change, whose units the stores count.
    pub fn change(&mut self, sequence: i64, action: Action) {
        if let Action::Restock { units, .. } = action {
            self.add_units(units.into());
            self.redis().records += 1;
        }
        let change = self.stored(action);
        self.contents.changes.push((sequence, change));
        self.number(sequence);
    }

    /// A change as the stores hold it.
    pub fn stored(&self, action: Action) -> AdminCall {
        AdminCall::asked(&self.sale.product, &action).unwrap()
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
    Answer::Placed(OrderShown {
        id,
        status,
        replayed,
    })
}

pub fn restock(number: u32, units: u32) -> Action {
    Action::Restock { number, units }
}

pub fn refused(http: u16, code: &str) -> Response {
    let code = code.into();
    Response::Refused { http, code }
}

/// What is answered so.
pub fn response(answer: Answer) -> Response {
    match answer {
        Answer::Placed(order) => Response::Order(order),
        Answer::Undecided => UNANSWERED,
        refusal => {
            let (http, code, _) = REFUSALS.iter().find(|it| it.2 == refusal).unwrap();
            refused(*http, code)
        }
    }
}
