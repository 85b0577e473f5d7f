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
//! | `complete 0 pending`, `expire 3 7`, `unexpire 7` | an exchange; an expiry with its sequence number; it is gone |
//! | `redis remaining 2`, `ledger sold 4`, `lag unwritten 1`, `no redis` | what a store holds instead of what follows from rows and changes; last |
//! | `opening 4`, `holds 2`, `expect behind_proxy` | the units at the opening; seconds to an expiry; an expectation |

mod words;

use fluxgate_domain::ids::ProductId;

use super::{
    AdminCall, DeadLetter, Expectations, History, Ledger, RedisHolds, RedisSale, Row, StoreContents,
};
use crate::answer::Status;
use crate::exchange::{Exchange, Request};
use crate::order::{Action, Sale};
pub use words::{accepted, id};
use words::{action, parse, response};

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

/// Five units that have to be paid for within two seconds. Buyers 0 to 4 get one each. Buyer 0 pays (6), buyer 1 does not (7),
/// buyer 2 pays (8) and gets his money back (9), buyer 3 has time left. Of buyer 4 the answers to his payment (10) are lost.
pub const WITH_HOLDS: &str = "opening 5; holds 2
    ; order 0 accepted; row 0 1; order 1 accepted; row 1 2; order 2 accepted; row 2 3
    ; order 3 accepted; row 3 4; order 4 accepted; row 4 5
    ; complete 0 pending; complete 0 done; row 0 is completed; write 6 complete 0; read 0 completed
    ; complete 2 done; write 8 complete 2; cancel 2 done; row 2 is cancelled; write 9 cancel 2
    ; complete 4 unanswered; row 4 is completed; write 10 complete 4
    ; expire 1 7; read 1 expired @2000100-2000200; complete 1 expired; order 1 expired+";

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
            sale: Sale::of(product, 0),
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
            ["holds", seconds] => {
                self.sale = self.sale.clone().with_holds(parse(seconds), 0);
            }
            ["expire", buyer, sequence] => {
                let row = self.row(parse(buyer));
                row.status = Status::Expired;
                let expiry = (parse(sequence), row.id);
                self.contents.expiries.push(expiry);
            }
            ["unexpire", sequence] => {
                let expiries = &mut self.contents.expiries;
                expiries.retain(|it| it.0 != parse::<i64>(sequence));
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
        let (sold, confirmed) = (contents.sold_units(), |it| it == Status::Confirmed);
        let completed = sold - contents.units(confirmed);
        let dead_letters = contents.dead_letters.len();
        let records = contents.rows.len() + dead_letters + contents.restocks().count();
        let orders = contents.rows.iter().map(|row| row.sequence);
        let changes = contents.changes.iter().map(|(sequence, _)| *sequence);
        let expiries = contents.expiries.iter().map(|(sequence, _)| *sequence);
        let rows = contents.rows.iter().filter(|row| confirmed(row.status));
        let holds = RedisHolds {
            holds: rows.count() as i64,
            completed,
            completed_by_records: completed,
            held_by_records: contents.units(confirmed),
        };
        contents.redis = Some(RedisSale {
            total,
            remaining: total - sold,
            sequence: orders.chain(changes).chain(expiries).max().unwrap_or(0),
            records: records as i64,
            outbox: 0,
            holds: self.sale.holds.map(|_| holds),
        });
        contents.ledger = Some(Ledger {
            total,
            sold,
            completed,
        });
    }

    /// Makes a store hold something else, if these words say so.
    fn spoil(&mut self, words: &[&str]) -> bool {
        let contents = &mut self.contents;
        let (redis, ledger, lag) = (&mut contents.redis, &mut contents.ledger, &mut contents.lag);
        fn holds(redis: &mut Option<RedisSale>) -> Option<&mut RedisHolds> {
            redis.as_mut()?.holds.as_mut()
        }
        let figure = match words[..] {
            ["no", "redis"] => return redis.take().is_some(),
            ["no", "ledger"] => return ledger.take().is_some(),
            ["redis", "total", _] => &mut redis.as_mut().unwrap().total,
            ["redis", "remaining", _] => &mut redis.as_mut().unwrap().remaining,
            ["redis", "sequence", _] => &mut redis.as_mut().unwrap().sequence,
            ["redis", "records", _] => &mut redis.as_mut().unwrap().records,
            ["redis", "outbox", _] => &mut redis.as_mut().unwrap().outbox,
            ["redis", "holds", _] => &mut holds(redis).unwrap().holds,
            ["redis", "completed", _] => &mut holds(redis).unwrap().completed,
            ["redis", "records_completed", _] => &mut holds(redis).unwrap().completed_by_records,
            ["redis", "records_held", _] => &mut holds(redis).unwrap().held_by_records,
            ["ledger", "completed", _] => &mut ledger.as_mut().unwrap().completed,
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
