//! Every way in which a run can go wrong, each found, and nothing else found with it.

mod orders;
mod sale;

use super::example::{Example, id, restock};
use super::*;
use crate::answer::Answer;

/// What the checker says of a run.
struct Sentences(String);

/// A run that went right until `spoil` changed it.
fn when(spoil: impl FnOnce(&mut Example)) -> Sentences {
    let mut example = Example::with_changes();
    spoil(&mut example);
    let found = violations(example.history(), &example.contents);
    let sentences: Vec<_> = found.iter().map(Violation::to_string).collect();
    let id = id(0).to_string();
    let mut text = sentences.join("\n").replace(&id[..id.len() - 1], "#");
    for (number, name) in [(1, "restock-1"), (2, "other")] {
        if let AdminCall::Restock { change_id, .. } = example.stored(restock(number, 1)) {
            text = text.replace(&change_id, name);
        }
    }
    Sentences(text)
}

impl Sentences {
    /// Fails unless exactly this violation was found. In it, the order of buyer 1 is called `#1`.
    #[track_caller]
    fn are(&self, expected: &str) {
        assert_eq!(self.0, expected);
    }

    /// Fails unless it only looked as if something were wrong.
    #[track_caller]
    fn are_none(&self) {
        self.are("");
    }
}

/// So that being sold out is plausible.
fn sell_the_last_unit(e: &mut Example) {
    e.order(9, Answer::Undecided);
    e.sell(9, 10);
}

#[test]
fn a_right_run_has_no_violation() {
    when(|_| {}).are_none();
    when(|e| *e = Example::sold_out()).are_none();
}

#[test]
fn a_loss_is_excused_only_where_it_was_caused_and_reported() {
    let lost = |accepted| Violation::Lost {
        id: id(1),
        accepted,
    };
    let both = || vec![lost(true), lost(false)];
    let silent = vec![Violation::UnreportedLoss, lost(false)];
    for (violations, possible, reported, expected) in [
        (vec![], true, false, vec![]),
        (vec![lost(false)], true, true, vec![]),
        (both(), true, true, vec![lost(true)]),
        (vec![lost(false)], true, false, silent),
        (vec![], false, true, vec![Violation::FalseLossReport]),
        (both(), false, false, both()),
    ] {
        assert_eq!(judge(violations, Loss { possible, reported }), expected);
    }
}

#[test]
fn a_long_list_is_cut_short() {
    let (buyer, ids) = (name(3), (0..7).map(id).collect());
    let sentence = Violation::DuplicateOrder { buyer, ids }.to_string();
    assert!(sentence.ends_with(" and 2 more]"), "{sentence}");
}

/// What a run of ten million orders needs must stay small.
#[test]
fn exchanges_answers_and_rows_are_compact() {
    let sizes = (
        size_of::<Exchange>(),
        size_of::<OrderAnswer>(),
        size_of::<Row>(),
    );
    assert_eq!(sizes, (80, 48, 40));
}
