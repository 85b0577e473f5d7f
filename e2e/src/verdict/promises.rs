//! Each buyer's answers against the rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fluxgate_domain::ids::OrderId;

use super::Fault;
use crate::answer::{Answer, Outcome};
use crate::truth::Row;

/// What is wrong for single buyers. Where there are too many for one call: some buyers' answers and rows at a time.
pub fn broken(answers: &[&Answer], rows: &[Row]) -> Vec<Fault> {
    let mut buyers: BTreeMap<&str, Buyer<'_>> = BTreeMap::new();
    for answer in answers {
        let buyer = buyers.entry(&answer.order.user).or_default();
        buyer.answers.push(answer);
    }
    for row in rows {
        buyers.entry(&row.user).or_default().rows.push(row);
    }
    let by_id: HashMap<OrderId, &Row> = rows.iter().map(|row| (row.id, row)).collect();

    let mut faults = Vec::new();
    for (user, buyer) in buyers {
        faults.extend(buyer.identity_faults(user));
        faults.extend(buyer.answer_faults());
        faults.extend(buyer.row_faults(&by_id));
    }
    faults
}

#[derive(Default)]
struct Buyer<'a> {
    answers: Vec<&'a Answer>,
    rows: Vec<&'a Row>,
}

impl Buyer<'_> {
    /// The orders that this buyer was promised.
    fn promised(&self) -> BTreeSet<OrderId> {
        let ids = self.answers.iter().filter_map(|it| it.outcome.order_id());
        ids.collect()
    }

    /// One key, one order, one first answer.
    fn identity_faults(&self, user: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut ids = self.promised();
        ids.extend(self.rows.iter().map(|row| row.id));
        if ids.len() > 1 {
            faults.push(Fault::Doubled {
                user: user.to_owned(),
                ids: ids.into_iter().collect(),
            });
        }
        let is_first =
            |outcome: &Outcome| matches!(outcome, Outcome::Accepted { replayed, .. } if !replayed);
        let firsts = self.count(is_first);
        // Where an answer got lost it may have been the first.
        let promised = self.count(|outcome| outcome.order_id().is_some());
        let none_lost = self.count(Outcome::is_undecided) == 0;
        if firsts > 1 || (firsts == 0 && promised > 0 && none_lost) {
            faults.push(Fault::Unmarked {
                user: user.to_owned(),
                times: firsts,
            });
        }
        if promised > 0 && self.count(Outcome::is_sold_out) > 0 {
            faults.push(Fault::Contradicted {
                user: user.to_owned(),
            });
        }
        faults
    }

    /// Answers that the contract or this kind of sale does not know.
    fn answer_faults(&self) -> Vec<Fault> {
        let unexpected = |outcome: &Outcome| match outcome {
            Outcome::Broken { text, .. } => Some(Fault::Unexpected(text.clone())),
            Outcome::Refused { http, code } if !outcome.is_sold_out() && *http < 500 => {
                Some(Fault::Unexpected(format!("{http} {code}")))
            }
            _ => None,
        };
        let outcomes = self.answers.iter().map(|answer| &answer.outcome);
        outcomes.filter_map(unexpected).collect()
    }

    /// Every promise a row, every row a promise.
    fn row_faults(&self, by_id: &HashMap<OrderId, &Row>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let promised = self.promised();
        for id in &promised {
            match by_id.get(id) {
                None => faults.push(Fault::Lost(*id)),
                Some(row) if !self.asked_for(row) => faults.push(Fault::Altered(*id)),
                Some(row) if row.status != "confirmed" => faults.push(Fault::Rejected(*id)),
                Some(_) => {}
            }
        }
        let in_doubt = self.count(Outcome::is_undecided) > 0;
        for row in &self.rows {
            let explained = promised.contains(&row.id) || (in_doubt && self.asked_for(row));
            if !explained {
                faults.push(Fault::Unasked(row.id));
            }
        }
        faults
    }

    fn asked_for(&self, row: &Row) -> bool {
        self.answers.iter().any(|answer| {
            answer.order.user == row.user && i64::from(answer.order.quantity) == row.quantity
        })
    }

    fn count(&self, pick: impl Fn(&Outcome) -> bool) -> usize {
        let outcomes = self.answers.iter().map(|answer| &answer.outcome);
        outcomes.filter(|outcome| pick(outcome)).count()
    }
}
