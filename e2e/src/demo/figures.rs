//! The numbers of the result, each with what it should be.

use std::collections::BTreeMap;

use super::Plan;
use crate::answer::{Answer, Outcome};
use crate::history::History;
use crate::order::Sale;
use crate::truth::Truth;
use crate::verdict::{Fault, confirmed_units, verdict};

/// One number of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What is counted.
    pub what: &'static str,
    /// What was counted.
    pub seen: i64,
    /// What it should be.
    pub expected: i64,
}

/// All figures, and in words what is wrong.
#[derive(Debug, Clone)]
pub struct Figures {
    /// In the order of the table.
    pub lines: Vec<Figure>,
    /// Every fault that was found.
    pub faults: Vec<Fault>,
}

impl Figures {
    /// Whether every number is as it should be and nothing else was found.
    pub fn are_right(&self) -> bool {
        self.faults.is_empty() && self.lines.iter().all(|line| line.seen == line.expected)
    }
}

/// Counts everything.
pub fn of(
    plan: &Plan,
    sale: &Sale,
    history: &History,
    truth: &Truth,
    dead_letters: i64,
) -> Figures {
    let answers = history.about(sale);
    let faults = verdict(sale, &answers, truth);
    let mut lines = told(plan, &answers);
    lines.extend(kept(&faults));
    lines.extend(stored(plan, truth, dead_letters));
    Figures { lines, faults }
}

fn line(what: &'static str, seen: i64, expected: i64) -> Figure {
    Figure {
        what,
        seen,
        expected,
    }
}

/// What the buyers were told.
fn told(plan: &Plan, answers: &[&Answer]) -> Vec<Figure> {
    let mut buyers: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for answer in answers {
        let outcomes = buyers.entry(&answer.order.user).or_default();
        outcomes.push(&answer.outcome);
    }
    let (mut accepted, mut refused, mut retries, mut replays) = (0, 0, 0, 0);
    for outcomes in buyers.values() {
        let first = outcomes.iter().find_map(|outcome| outcome.order_id());
        if first.is_some() {
            accepted += 1;
            retries += count(outcomes, |_| true) - 1;
            replays += count(outcomes, |it| it.order_id() == first) - 1;
        } else {
            refused += i64::from(outcomes.iter().all(|outcome| outcome.is_sold_out()));
        }
    }
    let all: Vec<_> = buyers.into_values().flatten().collect();
    let in_the_contract = |it: &Outcome| it.order_id().is_some() || it.is_sold_out();
    let (buyers, winners) = (i64::from(plan.buyers), winners(plan));
    vec![
        line(
            "requests answered with 202 or sold_out",
            count(&all, in_the_contract),
            count(&all, |_| true),
        ),
        line("orders accepted", accepted, winners),
        line("buyers told that it is sold out", refused, buyers - winners),
        line(
            "retries of accepted orders, given the first order",
            replays,
            retries,
        ),
    ]
}

/// Whether the promises were kept.
fn kept(faults: &[Fault]) -> Vec<Figure> {
    let number = |pick: fn(&Fault) -> i64| faults.iter().map(pick).sum::<i64>();
    let oversold = number(|fault| match fault {
        Fault::Oversold { confirmed, total } => confirmed - total,
        _ => 0,
    });
    let lost = number(|fault| i64::from(matches!(fault, Fault::Lost(_) | Fault::Rejected(_))));
    let doubled = number(|fault| i64::from(matches!(fault, Fault::Doubled { .. })));
    vec![
        line("units oversold", oversold, 0),
        line("orders lost", lost, 0),
        line("orders doubled", doubled, 0),
    ]
}

/// What the stores hold.
fn stored(plan: &Plan, truth: &Truth, dead_letters: i64) -> Vec<Figure> {
    let (total, sold) = (i64::from(plan.units), winners(plan));
    let confirmed = confirmed_units(&truth.rows);
    let others = i64::try_from(truth.rows.len()).unwrap_or(i64::MAX) - confirmed;
    // A store without the sale shows as -1, which no line expects.
    let ledger = truth.ledger.map_or(-1, |ledger| ledger.sold);
    let remaining = truth.shelf.map_or(-1, |shelf| shelf.remaining);
    let outbox = truth.shelf.map_or(-1, |shelf| shelf.outbox);
    vec![
        line("PostgreSQL: orders confirmed", confirmed, sold),
        line("PostgreSQL: orders rejected", others, 0),
        line("PostgreSQL: dead letters", dead_letters, 0),
        line("PostgreSQL: units sold, by the ledger", ledger, sold),
        line("Redis: units remaining", remaining, total - sold),
        line("Redis: events waiting in the outbox", outbox, 0),
        line("Kafka: records not yet written", truth.lag.unwritten, 0),
        line("Kafka: records not yet committed", truth.lag.uncommitted, 0),
    ]
}

fn winners(plan: &Plan) -> i64 {
    i64::from(plan.units.min(plan.buyers))
}

fn count(outcomes: &[&Outcome], pick: impl Fn(&Outcome) -> bool) -> i64 {
    outcomes
        .iter()
        .map(|outcome| i64::from(pick(outcome)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::example::{Example, sold_out};

    fn figures(example: &Example, dead_letters: i64) -> Figures {
        let plan = Plan {
            units: 3,
            buyers: 5,
            connections: 1,
            at: Vec::new(),
        };
        let history = History::new(example.answers.clone());
        of(&plan, &example.sale, &history, &example.truth, dead_letters)
    }

    /// The lines that are wrong once `spoil` has been at work.
    fn wrong(spoil: impl FnOnce(&mut Example)) -> Vec<&'static str> {
        let mut example = Example::new();
        spoil(&mut example);
        let figures = figures(&example, 0);
        assert!(!figures.are_right());
        let wrong = figures.lines.iter().filter(|it| it.seen != it.expected);
        wrong.map(|it| it.what).collect()
    }

    #[test]
    fn a_sale_that_went_right_has_only_right_lines() {
        let figures = figures(&Example::new(), 0);
        assert!(figures.are_right(), "{figures:?}");
    }

    #[test]
    fn every_wrong_number_is_marked() {
        assert_eq!(
            wrong(|e| drop(e.truth.rows.pop())),
            ["orders lost", "PostgreSQL: orders confirmed"]
        );
        assert_eq!(
            wrong(|e| e.truth.rows.push(e.row(3))),
            ["units oversold", "PostgreSQL: orders confirmed"]
        );
        assert_eq!(
            wrong(|e| e.tell(0, e.accepted_as(9))),
            [
                "retries of accepted orders, given the first order",
                "orders lost",
                "orders doubled"
            ]
        );
        assert_eq!(
            wrong(|e| e.tell(3, Outcome::Silence("reset".into()))),
            [
                "requests answered with 202 or sold_out",
                "buyers told that it is sold out"
            ]
        );
        assert_eq!(
            wrong(|e| e.answers.retain(|it| it.order.user != "buyer-0")),
            ["orders accepted"]
        );
        assert_eq!(
            wrong(|e| e.truth.lag.unwritten = 2),
            ["Kafka: records not yet written"]
        );
        assert_eq!(
            wrong(|e| e.tell(0, sold_out())),
            ["retries of accepted orders, given the first order"]
        );
        assert!(!figures(&Example::new(), 1).are_right());
    }
}
