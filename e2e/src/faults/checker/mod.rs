//! A history held against the end state. Pure, so that its own tests can show that it finds what it
//! is there to find.
//!
//! It counts on what the drivers promise: in a sale a user has one key, and a key one user. An
//! answer of 503, and no answer, say nothing; the same question asked again does.

mod answers;
mod changes;
#[cfg(test)]
mod example;
mod keys;
mod statuses;
mod stock;
#[cfg(test)]
mod tests;
mod violation;

use std::collections::BTreeMap;

pub use violation::Violation;

use super::end::{DeadLetter, End, SaleEnd};
use super::history::{Ask, Asked};

/// Whether a run was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise was kept.
    Right,
    /// Redis lost data, as the fault meant it to; the copies noticed and stopped selling, and every
    /// other promise was kept.
    Reported,
    /// What was wrong.
    Wrong(Vec<Violation>),
}

/// What a run's fault may excuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Whether the fault may make Redis lose acknowledged writes.
    pub possible: bool,
    /// Whether a copy said that it did.
    pub reported: bool,
}

/// Everything that the history and the end state prove to be wrong.
pub fn violations(history: &[Asked], end: &End) -> Vec<Violation> {
    let sales = end.sales.iter();
    sales
        .flat_map(|sale| {
            let view = View::of(history, sale, &end.dead_letters);
            let mut found = answers::violations(&view);
            found.extend(keys::violations(&view));
            found.extend(statuses::violations(&view));
            found.extend(changes::violations(&view));
            found.extend(stock::violations(&view));
            found
        })
        .collect()
}

/// What violations mean, with a fault that may have cost Redis data.
pub fn judge(violations: Vec<Violation>, loss: Loss) -> Verdict {
    if loss.reported && !loss.possible {
        let mut violations = violations;
        violations.push(Violation::Disagreement {
            what: "copies that report a loss in Redis, though none was caused",
            seen: 1,
            expected: 0,
        });
        return Verdict::Wrong(violations);
    }
    if loss.reported {
        let rest = violations
            .into_iter()
            .filter(|it| !it.is_explained_by_loss());
        let rest: Vec<_> = rest.collect();
        return if rest.is_empty() {
            Verdict::Reported
        } else {
            Verdict::Wrong(rest)
        };
    }
    if violations.is_empty() {
        return Verdict::Right;
    }
    let mut violations = violations;
    if loss.possible && violations.iter().any(Violation::is_explained_by_loss) {
        violations.insert(0, Violation::UnreportedLoss);
    }
    Verdict::Wrong(violations)
}

/// One sale: what was asked about it, and what is left of it.
struct View<'a> {
    end: &'a SaleEnd,
    dead_letters: Vec<&'a DeadLetter>,
    /// In the order of sending.
    asked: Vec<&'a Asked>,
    /// The orders among them, by user, who has one key.
    keys: BTreeMap<&'a str, Vec<&'a Asked>>,
}

impl<'a> View<'a> {
    fn of(history: &'a [Asked], end: &'a SaleEnd, dead_letters: &'a [DeadLetter]) -> Self {
        let product = end.sale.product.as_str();
        let about = |asked: &&Asked| asked.ask.product() == product;
        let mut asked: Vec<_> = history.iter().filter(about).collect();
        asked.sort_by_key(|asked| asked.sent_us);
        let mut keys: BTreeMap<&str, Vec<&Asked>> = BTreeMap::new();
        for it in &asked {
            if let Ask::Order { user, .. } = &it.ask {
                keys.entry(user).or_default().push(it);
            }
        }
        let dead_letters = dead_letters.iter();
        Self {
            end,
            dead_letters: dead_letters.filter(|it| it.product_id == product).collect(),
            asked,
            keys,
        }
    }
}

/// Units that an order asks for.
fn quantity(ask: &Ask) -> i64 {
    match ask {
        Ask::Order { quantity, .. } => i64::from(*quantity),
        _ => 0,
    }
}
