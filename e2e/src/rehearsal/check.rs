//! What buyers were told, held against what the stores hold: the same verdict as everywhere, some buyers at a time.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use fluxgate_domain::ids::OrderId;
use tokio::time::Instant;

use super::attempt::{Ending, Failure};
use super::heard::{Failed, Heard, Told};
use crate::answer::{Answer, Outcome, Status};
use crate::order::Sale;
use crate::stores::Stores;
use crate::truth::Row;
use crate::verdict::{Books, Fault, Rows, broken, wrong};

/// Orders that are looked at together.
const SLICE: usize = 10_000;
/// Faults that are kept in words; the rest are counted.
const FAULTS_SHOWN: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Rows of the sales.
    pub rows: u64,
    /// Units of them that are confirmed.
    pub confirmed: i64,
    /// Orders that were promised and are nowhere, or were rejected in the end.
    pub lost: u64,
    /// Keys that led to several orders.
    pub doubled: u64,
    /// Units confirmed beyond those there were.
    pub oversold: i64,
    /// Orders whose very first try was answered as a retry: something on the way has repeated it.
    pub repeated_on_the_way: u64,
    /// Everything that is wrong, those above too.
    pub faults: usize,
    /// The first of them in words.
    pub words: Vec<String>,
}

/// A row of one of our orders.
#[derive(Debug, Clone, Copy)]
struct Written {
    order: u32,
    id: OrderId,
    quantity: i64,
    sequence: i64,
    confirmed: bool,
}

/// Waits until everything is written, for at most `limit`, and looks for faults; that not all of it was written is one.
///
/// # Errors
/// When a store does not answer.
pub async fn check(
    heard: &Heard,
    stores: &Stores,
    sales: &[Sale],
    limit: Duration,
) -> Result<Findings> {
    let mut findings = Findings::default();
    let ends = match stores.drained(sales, limit).await {
        Ok(ends) => ends,
        Err(error) => {
            findings.add_words(format!("{error:#}"));
            stores.ends().await?
        }
    };
    let lag = stores.lag(&ends).await?;
    for (n, sale) in sales.iter().enumerate() {
        let one = OneOf {
            sale,
            n,
            of: sales.len(),
            heard,
        };
        let rows = one.read_rows(stores, &mut findings).await?;
        one.check_promises(&rows, &mut findings);
        let confirmed = rows.iter().filter(|row| row.confirmed);
        let confirmed = confirmed.map(|row| row.quantity).sum();
        let books = Books {
            rows: Rows::count(confirmed, rows.iter().map(|row| row.sequence)),
            ledger: stores.database.ledger(sale.product.as_str()).await?,
            shelf: stores.gate.shelf(&sale.product).await?,
            lag,
        };
        findings.rows += rows.len() as u64;
        findings.confirmed += confirmed;
        let told = one.told(&heard.told);
        let mut endings = told.map(|told| told.ending);
        let told_sold_out = endings.any(|ending| ending == Ending::SoldOut);
        let faults = wrong(sale, told_sold_out, &books);
        faults.into_iter().for_each(|fault| findings.add(&fault));
    }
    Ok(findings)
}

/// One of the sales that orders were of in turn.
struct OneOf<'a> {
    sale: &'a Sale,
    n: usize,
    of: usize,
    heard: &'a Heard,
}

impl OneOf<'_> {
    fn has(&self, order: u32) -> bool {
        order as usize % self.of == self.n
    }

    fn told<'a>(&'a self, told: &'a [Told]) -> impl Iterator<Item = &'a Told> {
        told.iter().filter(|it| self.has(it.order))
    }

    /// The rows of our orders, by number. A row of somebody else is a fault.
    async fn read_rows(&self, stores: &Stores, findings: &mut Findings) -> Result<Vec<Written>> {
        let mut rows = Vec::new();
        let (product, mut strangers) = (self.sale.product.as_str(), Vec::new());
        let take = |row: Row| match self.order_of(&row.user) {
            Some(order) => rows.push(Written {
                order,
                id: row.id,
                quantity: row.quantity,
                sequence: row.sequence,
                confirmed: row.status == "confirmed",
            }),
            None => strangers.push(Fault::Unasked(row.id)),
        };
        stores.database.each_row(product, take).await?;
        strangers.iter().for_each(|fault| findings.add(fault));
        rows.sort_unstable_by_key(|row| row.order);
        Ok(rows)
    }

    /// The number that this user's order has, if it is one of ours.
    fn order_of(&self, user: &str) -> Option<u32> {
        let order: u32 = user.strip_prefix("buyer-")?.parse().ok()?;
        let ours = order < self.heard.sent && self.has(order);
        let same = ours && *self.sale.order_of(order as usize).user == *user;
        same.then_some(order)
    }

    fn check_promises(&self, rows: &[Written], findings: &mut Findings) {
        let heard = self.heard;
        let (mut told, mut failed, mut rows) = (&*heard.told, &*heard.failed, rows);
        let mut begin = 0;
        while begin < heard.sent {
            let end = begin.saturating_add(u32::try_from(SLICE * self.of).unwrap_or(u32::MAX));
            let told = first(&mut told, |it| it.order < end);
            let failed = first(&mut failed, |it| it.order < end);
            let rows = first(&mut rows, |it| it.order < end);
            self.check_slice(told, failed, rows, findings);
            begin = end;
        }
    }

    fn check_slice(
        &self,
        told: &[Told],
        failed: &[Failed],
        rows: &[Written],
        findings: &mut Findings,
    ) {
        let failed = failed.iter().filter(|it| self.has(it.order));
        let undecided = failed.filter(|it| it.failure.is_undecided());
        let undecided: Vec<_> = undecided.collect();
        let doubtful: HashSet<u32> = undecided.iter().map(|it| it.order).collect();
        let mut answers: Vec<Answer> = undecided
            .iter()
            .map(|it| self.answer(it.order, outcome_of_failed(it.failure)))
            .collect();
        for told in self.told(told) {
            let mut outcome = outcome_of(told.ending, self.heard);
            if let Outcome::Accepted { replayed, .. } = &mut outcome
                && *replayed
                && !doubtful.contains(&told.order)
            {
                // Not the service's fault: a proxy may try again by itself.
                findings.repeated_on_the_way += 1;
                *replayed = false;
            }
            answers.push(self.answer(told.order, outcome));
        }
        let rows: Vec<Row> = rows.iter().map(|row| self.row(row)).collect();
        let answers: Vec<&Answer> = answers.iter().collect();
        for fault in broken(&answers, &rows) {
            findings.add(&fault);
        }
    }

    fn answer(&self, order: u32, outcome: Outcome) -> Answer {
        let due = self.heard.schedule.due(order.into());
        Answer {
            order: self.sale.order_of(order as usize),
            sent_at: Instant::from_std(due),
            latency: Duration::ZERO,
            outcome,
        }
    }

    fn row(&self, row: &Written) -> Row {
        let status = if row.confirmed {
            "confirmed"
        } else {
            "rejected"
        };
        Row {
            id: row.id,
            user: self.sale.order_of(row.order as usize).user.clone(),
            quantity: row.quantity,
            sequence: row.sequence,
            status: status.to_owned(),
        }
    }
}

fn outcome_of_failed(failure: Failure) -> Outcome {
    match failure {
        Failure::Status(http) => Outcome::Refused {
            http,
            code: String::new(),
        },
        silence => Outcome::Silence(silence.to_string()),
    }
}

fn outcome_of(ending: Ending, heard: &Heard) -> Outcome {
    let refused = |http, code| Outcome::Refused { http, code };
    match ending {
        Ending::Ordered {
            id,
            replayed,
            reserved,
        } => Outcome::Accepted {
            id,
            status: if reserved {
                Status::Reserved
            } else {
                Status::Accepted
            },
            replayed,
        },
        Ending::SoldOut => refused(409, "sold_out".to_owned()),
        Ending::Denied { http, words } => Outcome::Broken {
            http,
            text: format!("{http} {}", heard.words.get(words)),
        },
    }
}

impl Findings {
    fn add(&mut self, fault: &Fault) {
        match fault {
            Fault::Lost(_) | Fault::Rejected(_) => self.lost += 1,
            Fault::Doubled { .. } => self.doubled += 1,
            Fault::Oversold { confirmed, total } => self.oversold += confirmed - total,
            _ => {}
        }
        self.add_words(fault.to_string());
    }

    fn add_words(&mut self, words: String) {
        self.faults += 1;
        if self.words.len() < FAULTS_SHOWN {
            self.words.push(words);
        }
    }
}

/// Takes from the beginning of a sorted slice what fulfils the condition.
fn first<'a, T>(all: &mut &'a [T], condition: impl Fn(&T) -> bool) -> &'a [T] {
    let (first, rest) = all.split_at(all.partition_point(condition));
    *all = rest;
    first
}
