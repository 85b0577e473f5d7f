//! Cancels, completions, restocks and closings: each is written once, and none without a call.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fluxgate_domain::ids::OrderId;

use super::{AdminCall, Sale, Violation};
use crate::answer::{Refusal, Response, Status};

pub fn check(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    for (call, it) in &sale.admin_calls {
        // Only a restock after a closing is refused.
        let is_right = matches!(call, AdminCall::Restock { .. }) && sale.is_closing(it.done_us);
        let has_holds = sale.holds.is_some();
        for (refusal, is_right) in [
            (Refusal::SaleClosed, is_right),
            (Refusal::NoHold, !has_holds),
        ] {
            if it.response.is_refused(refusal) && !is_right {
                let text = format!("{call:?} was answered {}", refusal.code());
                report(Violation::UnexpectedAnswer { text });
            }
        }
    }
    let (asked, written) = (asked(sale), written(sale));
    for (call, outcome) in &asked {
        if outcome.done && !written.contains(call) {
            report(match call {
                AdminCall::Cancel(id) => Violation::CancelLost { id: *id },
                AdminCall::Complete(id) => Violation::CompletionLost { id: *id },
                other => Violation::ChangeLost { what: words(other) },
            });
        }
    }
    for call in &written {
        if !asked.get(call).is_some_and(|outcome| outcome.possible) {
            report(match call {
                AdminCall::Cancel(id) => Violation::UnexplainedCancel { id: *id },
                AdminCall::Complete(id) => Violation::UnexplainedCompletion { id: *id },
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
        outcome.done |= is_done(call, &it.response);
        outcome.possible |= it.response.is_undecided() || is_done(call, &it.response);
    }
    // Shown to a reader or to a retry, a cancel is as good as confirmed to its caller; so is a completion.
    for it in sale.exchanges.iter().filter_map(|it| it.response.order()) {
        let call = match it.status {
            Status::Cancelled => AdminCall::Cancel(it.id),
            Status::Completed => AdminCall::Complete(it.id),
            _ => continue,
        };
        asked.entry(call).or_default().done = true;
    }
    asked
}

/// Whether an answer to a call says that it has happened. The answer to a call about an order may also be what has become of
/// the order instead.
fn is_done(call: &AdminCall, response: &Response) -> bool {
    let status = response.order().map(|it| it.status);
    match call {
        AdminCall::Cancel(_) => status == Some(Status::Cancelled),
        AdminCall::Complete(_) => status == Some(Status::Completed),
        AdminCall::Restock { .. } | AdminCall::Close => response.is_done(),
    }
}

/// Cancels and completions by the statuses of their orders, the rest by the rows of `sale_changes`.
fn written(sale: &Sale<'_>) -> BTreeSet<AdminCall> {
    let rows = sale.contents.rows.iter();
    let statuses: HashMap<OrderId, Status> = rows.map(|row| (row.id, row.status)).collect();
    let with_status = |wanted| statuses.iter().filter(move |it| *it.1 == wanted);
    let cancels = with_status(Status::Cancelled).map(|(id, _)| AdminCall::Cancel(*id));
    let changes = sale.contents.changes.iter().map(|(_, call)| call.clone());
    let others = changes.filter(|call| match call {
        AdminCall::Cancel(_) => false,
        // One that came too late has its number, and no effect.
        AdminCall::Complete(id) => {
            let status = statuses.get(id);
            status.is_some_and(|it| matches!(it, Status::Completed | Status::Cancelled))
        }
        AdminCall::Restock { .. } | AdminCall::Close => true,
    });
    cancels.chain(others).collect()
}

fn words(call: &AdminCall) -> String {
    match call {
        AdminCall::Cancel(id) => format!("cancel of order {id}"),
        AdminCall::Complete(id) => format!("completion of order {id}"),
        AdminCall::Restock { change_id, units } => format!("restock {change_id} of {units} units"),
        AdminCall::Close => "closing".to_owned(),
    }
}
