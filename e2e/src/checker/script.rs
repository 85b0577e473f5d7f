//! Runs as scripts, for tests: what clients asked and were answered, and what the stores hold after it.
//!
//! A script is steps with `;` between them. Order, row and buyer have one number; `8*2` is buyer 8 and two units.
//!
//! | step | means |
//! |---|---|
//! | `order 8*2 sold_out`, `read 2 confirmed`, `cancel 0 done`, `restock 1*5 unanswered`, `close done` | an exchange after all others, or between the times of a last word like `@48-58` |
//! | `order 2 confirmed+`, `order 2 accepted#9` | answered as a replay; with the id of another order |
//! | `forget order 0` | it was not asked for |
//! | `row 5 6`, `row 5 is rejected`, `row 5 of 2`, `row 5 at 7`, `row 5 as 9`, `row 5 by nobody` | a confirmed row, sequence number 6; another status, quantity, number, id, user |
//! | `lose 5`, `dead 5` | its row is gone, its number is another change's; it is a dead letter |
//! | `write 7 close`, `unwrite 7` | a change with its sequence number; it is gone |
//! | `redis remaining 2`, `ledger sold 4`, `lag unwritten 1`, `no redis` | what a store holds instead of what follows from rows and changes; last |
//! | `opening 4`, `expect behind_proxy` | the units at the opening; an expectation |

use std::fmt::Debug;
use std::str::FromStr;

use fluxgate_domain::ids::{OrderId, ProductId};

use super::{AdminCall, DeadLetter, Expectations, History, Ledger, RedisSale, Row, StoreContents};
use crate::answer::{Failure, OrderShown, REFUSALS, Response, SaleShown, Status};
use crate::exchange::{Exchange, Request};
use crate::order::{Action, Sale};

/// Three units, five buyers, each order sent twice. Buyers 0 to 2 get one unit each, 3 and 4 are refused. No unit
/// comes back.
pub const SOLD_OUT: &str = "opening 3; expect first_answer_unmarked
    ; order 0 accepted; order 0 accepted+; row 0 1
    ; order 1 accepted; order 1 accepted+; row 1 2
    ; order 2 accepted; order 2 accepted+; row 2 3
    ; order 3 sold_out; order 4 sold_out; order 3 sold_out; order 4 sold_out";

/// Four units. Buyers 0 to 3 get one each, with numbers 1 to 4; buyer 4 is refused. Buyer 0 cancels (5), and buyer 5
/// gets the unit (6), though his first answer was lost. Two more units come (7), buyer 6 gets one (8), buyer 7 none,
/// for he comes after the closing (9).
pub const WITH_CHANGES: &str = "opening 4; expect final_status_read
    ; order 0 accepted; order 0 accepted+; row 0 1
    ; order 1 accepted; order 1 accepted+; row 1 2
    ; order 2 accepted; order 2 accepted+; row 2 3
    ; order 3 accepted; order 3 accepted+; row 3 4
    ; order 4 sold_out; order 2 confirmed+
    ; read 0 confirmed; cancel 0 done; read 0 cancelled; row 0 is cancelled; write 5 cancel 0
    ; order 5 unanswered; order 5 accepted+; row 5 6
    ; restock 1*2 done; write 7 restock 1*2
    ; order 6 reserved; row 6 8
    ; close done; write 9 close; order 7 sale_closed
    ; read 1 confirmed; read 2 confirmed; read 3 confirmed; read 5 confirmed; read 6 confirmed";

pub struct Run {
    sale: Sale,
    exchanges: Vec<Exchange>,
    expectations: Expectations,
    pub contents: StoreContents,
}

impl Run {
    pub fn of(scripts: &[&str]) -> Self {
        let product = ProductId::parse("example").unwrap();
        let mut run = Self {
            sale: Sale { product, total: 0 },
            exchanges: Vec::new(),
            expectations: Expectations::default(),
            contents: StoreContents::default(),
        };
        for step in scripts.iter().flat_map(|script| script.split(';')) {
            let words: Vec<&str> = step.split_whitespace().collect();
            if !run.spoil(&words) {
                run.take(&words);
                run.count();
            }
        }
        run
    }

    pub fn history(&self) -> History<'_> {
        History {
            sale: &self.sale,
            number: 0,
            exchanges: &self.exchanges,
            expectations: self.expectations,
        }
    }

    fn take(&mut self, words: &[&str]) {
        match *words {
            [] => {}
            ["opening", units] => {
                self.sale.total = parse(units);
                self.contents.opening_total = self.sale.total.into();
            }
            ["expect", name] => match name {
                "first_answer_unmarked" => self.expectations.first_answer_unmarked = true,
                "final_status_read" => self.expectations.final_status_read = true,
                _ => self.expectations.behind_proxy = true,
            },
            ["row", buyer, sequence] => self.contents.rows.push(Row {
                sequence: parse(sequence),
                buyer: Some(parse(buyer)),
                quantity: 1,
                id: id(parse(buyer)),
                status: Status::Confirmed,
            }),
            ["row", buyer, what, value] => {
                let row = self.row(parse(buyer));
                match what {
                    "is" => row.status = parse(value),
                    "of" => row.quantity = parse(value),
                    "at" => row.sequence = parse(value),
                    "as" => row.id = id(parse(value)),
                    _ => row.buyer = None,
                }
            }
            ["lose" | "dead", buyer] => {
                let Row { sequence, id, .. } = *self.row(parse(buyer));
                self.contents.rows.retain(|row| row.id != id);
                if words[0] == "lose" {
                    let other = AdminCall::Cancel(id);
                    self.contents.changes.push((sequence, other));
                } else {
                    let order_id = Some(id);
                    let letter = DeadLetter { order_id, sequence };
                    self.contents.dead_letters.push(letter);
                }
            }
            ["write", sequence, ref action @ ..] => {
                let change = self.stored(action);
                self.contents.changes.push((parse(sequence), change));
            }
            ["unwrite", sequence] => {
                let changes = &mut self.contents.changes;
                changes.retain(|it| it.0 != parse::<i64>(sequence));
            }
            ["forget", ref words @ ..] => {
                let forgotten = action(words);
                self.exchanges.retain(|it| it.request.action != forgotten);
            }
            [ref words @ .., answer, times] if times.starts_with('@') => {
                let (sent, done) = times[1..].split_once('-').unwrap();
                self.ask(action(words), answer, parse(sent), parse(done));
            }
            [ref words @ .., answer] => {
                let last_us = self.exchanges.iter().map(|it| it.sent_us).max();
                let sent_us = last_us.unwrap_or(0) + 10;
                self.ask(action(words), answer, sent_us, sent_us + 5);
            }
        }
    }

    fn ask(&mut self, action: Action, answer: &str, sent_us: u64, done_us: u64) {
        self.exchanges.push(Exchange {
            request: Request { sale: 0, action },
            instance: 0,
            number: 1,
            due_us: sent_us,
            sent_us,
            done_us,
            response: response(action, answer),
        });
    }

    /// A change as the stores hold it.
    pub fn stored(&self, words: &[&str]) -> AdminCall {
        AdminCall::asked(&self.sale.product, &action(words)).unwrap()
    }

    /// The last row of a buyer.
    fn row(&mut self, buyer: u32) -> &mut Row {
        let mut rows = self.contents.rows.iter_mut();
        rows.rfind(|row| row.buyer == Some(buyer)).unwrap()
    }

    /// What Redis and the ledger hold, by rows and changes.
    fn count(&mut self) {
        let contents = &mut self.contents;
        let total = contents.opening_total + contents.restocks().sum::<i64>();
        let sold = contents.confirmed_units();
        let dead_letters = contents.dead_letters.len();
        let records = contents.rows.len() + dead_letters + contents.restocks().count();
        let orders = contents.rows.iter().map(|row| row.sequence);
        let changes = contents.changes.iter().map(|(sequence, _)| *sequence);
        contents.redis = Some(RedisSale {
            total,
            remaining: total - sold,
            sequence: orders.chain(changes).max().unwrap_or(0),
            records: records as i64,
            outbox: 0,
        });
        contents.ledger = Some(Ledger { total, sold });
    }

    /// Makes a store hold something else, if these words say so.
    fn spoil(&mut self, words: &[&str]) -> bool {
        let contents = &mut self.contents;
        let (redis, ledger, lag) = (&mut contents.redis, &mut contents.ledger, &mut contents.lag);
        let figure = match words[..] {
            ["no", "redis"] => return redis.take().is_some(),
            ["no", "ledger"] => return ledger.take().is_some(),
            ["redis", "total", _] => &mut redis.as_mut().unwrap().total,
            ["redis", "remaining", _] => &mut redis.as_mut().unwrap().remaining,
            ["redis", "sequence", _] => &mut redis.as_mut().unwrap().sequence,
            ["redis", "records", _] => &mut redis.as_mut().unwrap().records,
            ["redis", "outbox", _] => &mut redis.as_mut().unwrap().outbox,
            ["ledger", "total", _] => &mut ledger.as_mut().unwrap().total,
            ["ledger", "sold", _] => &mut ledger.as_mut().unwrap().sold,
            ["lag", "unwritten", _] => &mut lag.unwritten,
            ["lag", "uncommitted", _] => &mut lag.uncommitted,
            _ => return false,
        };
        *figure = parse(words[2]);
        true
    }
}

pub fn id(buyer: u32) -> OrderId {
    parse(&format!("018bcfe5-6800-8abc-9def-{buyer:012x}"))
}

/// The answer to the order of a buyer.
pub fn accepted(buyer: u32) -> Response {
    response(Action::Order { buyer, quantity: 1 }, "accepted")
}

fn action(words: &[&str]) -> Action {
    let pair = |word: &str| {
        let (number, units) = word.split_once('*').unwrap_or((word, "1"));
        (parse(number), parse(units))
    };
    match *words {
        ["order", order] => {
            let (buyer, quantity) = pair(order);
            Action::Order { buyer, quantity }
        }
        ["read", buyer] => Action::ReadStatus(id(parse(buyer))),
        ["read"] => Action::ReadSale,
        ["cancel", buyer] => Action::Cancel(id(parse(buyer))),
        ["restock", restock] => {
            let (number, units) = pair(restock);
            Action::Restock { number, units }
        }
        ["close"] => Action::Close,
        _ => panic!("no such step: {words:?}"),
    }
}

fn response(action: Action, answer: &str) -> Response {
    let refusal = REFUSALS.iter().find(|it| it.1 == answer);
    if let Some((_, _, refusal)) = refusal {
        return Response::Refused(*refusal);
    }
    if let Ok(http) = answer.parse() {
        let text = "?".into();
        return Response::Unexpected { http, text };
    }
    let (status, other) = answer.split_once('#').unwrap_or((answer, ""));
    let id = match action {
        _ if !other.is_empty() => id(parse(other)),
        Action::Order { buyer, .. } => id(buyer),
        Action::ReadStatus(id) | Action::Cancel(id) => id,
        _ => id(0),
    };
    match (answer, action) {
        ("unanswered", _) => Response::NoAnswer(Failure::TimedOut),
        ("unconnected", _) => Response::NoAnswer(Failure::Refused),
        ("done", Action::Restock { .. } | Action::Close) => {
            let (total, remaining) = (0, 0);
            Response::Sale(SaleShown { total, remaining })
        }
        _ => Response::Order(OrderShown {
            id,
            status: match status.trim_end_matches('+') {
                "done" => Status::Cancelled,
                status => parse(status),
            },
            replayed: status.ends_with('+'),
        }),
    }
}

fn parse<T: FromStr<Err: Debug>>(word: &str) -> T {
    word.parse().unwrap()
}
