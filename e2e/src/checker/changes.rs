//! Cancels, restocks and closings: each is written once, and none without a call.

use std::collections::{BTreeMap, BTreeSet};

use super::{AdminCall, Sale, Violation};
use crate::answer::{Refusal, Status};

pub fn check(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    for (call, it) in &sale.admin_calls {
        // Only a restock after a closing is refused.
        let is_right = matches!(call, AdminCall::Restock { .. }) && sale.is_closing(it.done_us);
        if it.response.is_refused(Refusal::SaleClosed) && !is_right {
            let text = format!("{call:?} was answered sale_closed");
            report(Violation::UnexpectedAnswer { text });
        }
    }
    let (asked, written) = (asked(sale), written(sale));
    for (call, outcome) in &asked {
        if outcome.done && !written.contains(call) {
            report(match call {
                AdminCall::Cancel(id) => Violation::CancelLost { id: *id },
                other => Violation::ChangeLost { what: words(other) },
            });
        }
    }
    for call in &written {
        if !asked.get(call).is_some_and(|outcome| outcome.possible) {
            report(match call {
                AdminCall::Cancel(id) => Violation::UnexplainedCancel { id: *id },
                other => Violation::UnexplainedChange { what: words(other) },
            });
        }
    }
}

/// What all answers to a call together say.
#[derive(Default)]
struct Outcome {
    /// Whether it has happened.
    done: bool,
    /// Whether a caller may have made it happen.
    possible: bool,
}

fn asked(sale: &Sale<'_>) -> BTreeMap<AdminCall, Outcome> {
    let mut asked: BTreeMap<AdminCall, Outcome> = BTreeMap::new();
    for (call, it) in &sale.admin_calls {
        let outcome = asked.entry(call.clone()).or_default();
        outcome.done |= it.response.is_done();
        outcome.possible |= !it.response.is_refused(Refusal::SaleClosed);
    }
    // Shown to a reader or to a retry, a cancel is as good as confirmed to its caller.
    let shown = sale.exchanges.iter().filter_map(|it| it.response.order());
    for it in shown.filter(|it| it.status == Status::Cancelled) {
        asked.entry(AdminCall::Cancel(it.id)).or_default().done = true;
    }
    asked
}

/// Cancels by the statuses of their orders, the rest by the rows of `sale_changes`.
fn written(sale: &Sale<'_>) -> BTreeSet<AdminCall> {
    let rows = sale.contents.rows.iter();
    let cancelled = rows.filter(|row| row.status == Status::Cancelled);
    let cancels = cancelled.map(|row| AdminCall::Cancel(row.id));
    let changes = sale.contents.changes.iter().map(|(_, call)| call.clone());
    let others = changes.filter(|call| !matches!(call, AdminCall::Cancel(_)));
    cancels.chain(others).collect()
}

fn words(call: &AdminCall) -> String {
    match call {
        AdminCall::Cancel(id) => format!("cancel of order {id}"),
        AdminCall::Restock { change_id, units } => format!("restock {change_id} of {units} units"),
        AdminCall::Close => "closing".to_owned(),
    }
}
