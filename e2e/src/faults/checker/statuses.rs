//! What orders were shown to be, one after the other.

use std::collections::{HashMap, HashSet};

use fluxgate_domain::ids::OrderId;

use super::{View, Violation};
use crate::answer::Status;
use crate::faults::history::{Ask, Asked, Reply};

pub fn violations(view: &View<'_>) -> Vec<Violation> {
    let mut orders: HashMap<OrderId, Vec<(&Asked, Status)>> = HashMap::new();
    for it in &view.asked {
        if let Reply::Order { id, status, .. } = it.reply {
            orders.entry(id).or_default().push((it, status));
        }
    }
    let rows: HashSet<OrderId> = view.end.truth.rows.iter().map(|row| row.id).collect();
    let mut found = Vec::new();
    for (id, shown) in orders {
        found.extend(went_back(id, &shown));
        if rows.contains(&id) && !followed(&shown) {
            found.push(Violation::NotFollowed { id });
        }
    }
    found
}

/// Whether a buyer who was promised the order could see its end.
fn followed(shown: &[(&Asked, Status)]) -> bool {
    shown.iter().any(|(asked, status)| {
        matches!(asked.ask, Ask::Status { .. } | Ask::Cancel { .. }) && status.rank() > 0
    })
}

/// Compares what was shown only with what had been answered before it was asked for: of two
/// questions at the same time, either may have been looked up first.
fn went_back(id: OrderId, shown: &[(&Asked, Status)]) -> Option<Violation> {
    let mut answered = shown.to_vec();
    answered.sort_by_key(|(it, _)| it.done_us);
    let mut answered = answered.into_iter().peekable();
    let mut furthest: Option<Status> = None;
    // In the order of sending, as the view has them.
    for (asked, status) in shown {
        while let Some((_, before)) = answered.next_if(|(it, _)| it.done_us < asked.sent_us) {
            if furthest.is_none_or(|it| it.rank() < before.rank()) {
                furthest = Some(before);
            }
        }
        let Some(from) = furthest else { continue };
        let to = *status;
        // Documented: while PostgreSQL is away, the answer to a retry ends at `accepted`.
        let retry = matches!(asked.ask, Ask::Order { .. }) && to.rank() == 0;
        let settled = [Status::Confirmed, Status::Rejected];
        let swapped = from != to && settled.contains(&from) && settled.contains(&to);
        if !retry && (to.rank() < from.rank() || swapped) {
            return Some(Violation::WentBack { id, from, to });
        }
    }
    None
}
