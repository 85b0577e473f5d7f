//! Cancels, restocks and closings: each is written once, and none without a call.

use std::collections::{BTreeMap, BTreeSet};

use fluxgate_domain::ids::OrderId;

use super::{AdminCall, AdminOutcome, Answer, ChangeKind, Sale, Violation};
use crate::answer::Status;

pub fn check(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    answers_in_place(sale, report);
    cancels(sale, report);
    restocks(sale, report);
    closings(sale, report);
}

fn answers_in_place(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    for it in &sale.history.admin_calls {
        let is_restock = matches!(it.call, AdminCall::Restock { .. });
        let explained = is_restock && sale.is_closing(it.done_us);
        if it.outcome == AdminOutcome::SaleClosed && !explained {
            let text = format!("{:?} was answered sale_closed", it.call);
            report(Violation::UnexpectedAnswer { text });
        }
    }
}

fn cancels(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    let (mut asked, mut done) = (BTreeSet::<OrderId>::new(), BTreeSet::new());
    for it in &sale.history.admin_calls {
        if let AdminCall::Cancel(id) = it.call {
            asked.insert(id);
            if it.outcome == AdminOutcome::Done {
                done.insert(id);
            }
        }
    }
    // Shown to a reader or to a retry, a cancel is as good as confirmed to its caller.
    let reads = sale.history.status_reads.iter();
    let retries = sale.history.orders.iter();
    let shown =
        reads
            .map(|it| (it.id, it.status))
            .chain(retries.filter_map(|it| match it.answer {
                Answer::Placed { id, status, .. } => Some((id, status)),
                _ => None,
            }));
    let shown = shown.filter(|(_, status)| *status == Status::Cancelled);
    done.extend(shown.map(|(id, _)| id));
    let rows = sale.contents.rows.iter();
    let written: BTreeSet<OrderId> = rows
        .filter(|row| row.status == Status::Cancelled)
        .map(|row| row.id)
        .collect();
    for id in done.difference(&written) {
        report(Violation::CancelLost { id: *id });
    }
    for id in written.difference(&asked) {
        report(Violation::UnexplainedCancel { id: *id });
    }
}

fn restocks(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    // By id: the units, whether it was confirmed, and whether it may have happened.
    let mut asked: BTreeMap<&str, (i64, bool, bool)> = BTreeMap::new();
    for it in &sale.history.admin_calls {
        if let AdminCall::Restock { change_id, units } = &it.call {
            let entry = asked.entry(change_id).or_insert((*units, false, false));
            entry.1 |= it.outcome == AdminOutcome::Done;
            entry.2 |= it.outcome != AdminOutcome::SaleClosed;
        }
    }
    let changes = sale.contents.changes.iter();
    let restocks = changes.filter(|it| it.kind == ChangeKind::Restock);
    let written: BTreeMap<&str, i64> = restocks.map(|it| (it.id.as_str(), it.units)).collect();
    for (id, (units, done, _)) in &asked {
        let found = written.get(id).copied();
        if *done && found != Some(*units) {
            let found = found.map_or("nothing".to_owned(), |units| units.to_string());
            let what = format!("restock {id} of {units} units, written: {found}");
            report(Violation::ChangeLost { what });
        }
    }
    for (id, units) in written {
        if !asked.get(id).is_some_and(|(_, _, possible)| *possible) {
            let what = format!("restock {id} of {units} units");
            report(Violation::UnexplainedChange { what });
        }
    }
}

fn closings(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    let mut changes = sale.contents.changes.iter();
    let written = changes.any(|change| change.kind == ChangeKind::Close);
    let what = "closing".to_owned();
    if sale.closed_us.is_some() && !written {
        report(Violation::ChangeLost { what });
    } else if sale.close_sent_us.is_none() && written {
        report(Violation::UnexplainedChange { what });
    }
}
