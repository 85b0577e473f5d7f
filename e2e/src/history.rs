//! Everything the buyers were told.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::{Answer, Outcome};
use crate::order::{Order, Sale};

/// Answers, in the order in which they arrived.
#[derive(Debug, Clone, Default)]
pub struct History(Vec<Answer>);

impl History {
    /// The history of one crowd.
    pub fn new(answers: Vec<Answer>) -> Self {
        Self(answers)
    }

    /// All answers.
    pub fn answers(&self) -> &[Answer] {
        &self.0
    }

    /// Adds what a later crowd was told.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// The answers about one sale.
    pub fn about(&self, sale: &Sale) -> Vec<&Answer> {
        let product = sale.product.as_str();
        let about = |answer: &&Answer| answer.order.product == product;
        self.0.iter().filter(about).collect()
    }

    /// The answers to what was sent from `begin` on and before `end`.
    pub fn sent_between(&self, begin: Instant, end: Instant) -> Self {
        let within = |answer: &&Answer| (begin..end).contains(&answer.sent_at);
        Self(self.0.iter().filter(within).cloned().collect())
    }

    /// How many answers `pick` picks.
    pub fn count(&self, pick: impl Fn(&Outcome) -> bool) -> usize {
        self.0.iter().filter(|answer| pick(&answer.outcome)).count()
    }

    /// The orders none of whose attempts was decided, each once.
    pub fn undecided(&self) -> Vec<Order> {
        let mut decided: HashMap<&Order, bool> = HashMap::new();
        for answer in &self.0 {
            *decided.entry(&answer.order).or_default() |= !answer.outcome.is_undecided();
        }
        let open = decided.into_iter().filter(|(_, decided)| !decided);
        open.map(|(order, _)| order.clone()).collect()
    }

    /// The latency that `percent` of all answers did not exceed (nearest rank); zero without answers.
    pub fn latency(&self, percent: usize) -> Duration {
        let mut latencies: Vec<_> = self.0.iter().map(|answer| answer.latency).collect();
        latencies.sort_unstable();
        let rank = (latencies.len() * percent).div_ceil(100);
        latencies
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(outcomes: &[(usize, Outcome)]) -> History {
        let sale = Sale::unique("history", 10).unwrap();
        let answer = |(i, (buyer, outcome)): (usize, &(usize, Outcome))| Answer {
            order: sale.order_of(*buyer),
            sent_at: Instant::now(),
            latency: Duration::from_millis(i as u64 + 1),
            outcome: outcome.clone(),
        };
        History::new(outcomes.iter().enumerate().map(answer).collect())
    }

    #[test]
    fn an_order_is_undecided_until_one_of_its_attempts_is_answered() {
        let silence = Outcome::Silence("reset".into());
        let refused = |http| Outcome::Refused {
            http,
            code: "any".into(),
        };
        let history = answers(&[
            (1, silence.clone()),
            (1, refused(409)),
            (2, refused(503)),
            (2, silence),
        ]);
        let users: Vec<_> = history.undecided().iter().map(|o| o.user.clone()).collect();
        assert_eq!(users, ["buyer-2"]);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let outcomes = vec![(0, Outcome::Silence("-".into())); 200];
        let history = answers(&outcomes);
        assert_eq!(history.latency(50), Duration::from_millis(100));
        assert_eq!(history.latency(99), Duration::from_millis(198));
        assert_eq!(history.latency(100), Duration::from_millis(200));
        assert_eq!(History::default().latency(99), Duration::ZERO);
    }
}
