//! Cancels, restocks and closings: each counted once, none that nobody asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fluxgate_domain::ids::OrderId;

use super::{View, Violation};
use crate::answer::Status;
use crate::faults::history::{Ask, Reply};

pub fn violations(view: &View<'_>) -> Vec<Violation> {
    let mut found = cancels(view);
    found.extend(restocks(view));
    found.extend(closings(view));
    found
}

fn cancels(view: &View<'_>) -> Vec<Violation> {
    let (mut asked, mut done) = (HashSet::new(), BTreeSet::<OrderId>::new());
    for it in &view.asked {
        if let Ask::Cancel { id, .. } = it.ask {
            asked.insert(id);
            if it.reply.order_id().is_some() {
                done.insert(id);
            }
        }
        // Shown to anybody, it is as good as told to the one who asked.
        if let Reply::Order {
            id,
            status: Status::Cancelled,
            ..
        } = it.reply
        {
            done.insert(id);
        }
    }
    let rows = view.end.truth.rows.iter();
    let cancelled: BTreeSet<OrderId> = rows
        .filter(|row| row.status == "cancelled")
        .map(|row| row.id)
        .collect();
    let lost = done.difference(&cancelled).copied();
    let unasked = cancelled.iter().filter(|id| !asked.contains(id)).copied();
    lost.map(|id| Violation::CancelLost { id })
        .chain(unasked.map(|id| Violation::CancelUnasked { id }))
        .collect()
}

fn restocks(view: &View<'_>) -> Vec<Violation> {
    // By key: its units, and whether it was confirmed or may have happened.
    let mut keys: BTreeMap<&str, (i64, bool, bool)> = BTreeMap::new();
    for it in &view.asked {
        if let Ask::Restock { key, units, .. } = &it.ask {
            let entry = keys.entry(key).or_insert((i64::from(*units), false, false));
            entry.1 |= matches!(it.reply, Reply::Sale { .. });
            entry.2 |= it.reply.is_undecided();
        }
    }
    let mut found = Vec::new();
    let mut explained = 0;
    for (key, (units, done, in_doubt)) in keys {
        let written = view.end.restock(key);
        if done && written != Some(units) {
            let what = format!("restock {key} of {units}, written: {written:?}");
            found.push(Violation::ChangeLost { what });
        }
        explained += usize::from(written.is_some() && (done || in_doubt));
    }
    let changes = view.end.changes.iter();
    let written = changes.filter(|change| change.kind == "restock").count();
    if written > explained {
        let what = format!("{} restocks", written - explained);
        found.push(Violation::ChangeUnasked { what });
    }
    found
}

fn closings(view: &View<'_>) -> Vec<Violation> {
    let asked = view.asked.iter();
    let closings: Vec<_> = asked
        .filter(|it| matches!(it.ask, Ask::Close { .. }))
        .collect();
    let done = closings.iter().filter(|it| !it.reply.is_undecided());
    let closed_us = done.map(|it| it.done_us).min();
    let mut changes = view.end.changes.iter();
    let written = changes.any(|change| change.kind == "close");
    let mut found = Vec::new();
    let what = || "closing".to_owned();
    if closed_us.is_some() && !written {
        found.push(Violation::ChangeLost { what: what() });
    }
    if closings.is_empty() && written {
        found.push(Violation::ChangeUnasked { what: what() });
    }
    for (user, asked) in &view.keys {
        let late = closed_us.is_some_and(|closed_us| asked[0].sent_us > closed_us);
        if late && asked.iter().any(|it| it.reply.order_id().is_some()) {
            let user = (*user).to_owned();
            found.push(Violation::AfterClose { user });
        }
    }
    found
}
