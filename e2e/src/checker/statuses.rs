//! The statuses that each order was shown with, one after the other.

use std::collections::{BTreeSet, HashMap};

use fluxgate_domain::ids::OrderId;

use super::{Buyer, Exchange, Response, Sale, Violation};
use crate::answer::Status;
use crate::order::Action;

pub fn check(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let ids: BTreeSet<OrderId> = buyer
        .answers
        .iter()
        .filter_map(|it| it.order_id())
        .collect();
    for id in ids {
        let mut shown = sale.reads.get(&id).cloned().unwrap_or_default();
        let has_row = || buyer.rows.iter().any(|row| row.id == id);
        let is_final = |it: &&Exchange| it.status().is_some_and(|status| status.rank() > 0);
        if sale.expectations.final_status_read && has_row() && !shown.iter().any(is_final) {
            report(Violation::FinalStatusNeverShown { id });
        }
        let retries = buyer.answers.iter().copied();
        shown.extend(retries.filter(|it| it.order_id() == Some(id)));
        if let Some((from, to)) = went_back(&mut shown, sale.holds.is_some()) {
            report(Violation::StatusWentBack { id, from, to });
        }
    }
}

/// What reads, cancels and completions showed, by order.
pub fn reads<'a>(exchanges: &[&'a Exchange]) -> HashMap<OrderId, Vec<&'a Exchange>> {
    let mut reads: HashMap<OrderId, Vec<&Exchange>> = HashMap::new();
    let others = exchanges.iter();
    for it in others.filter(|it| !it.request.action.is_order()) {
        if let Some(id) = it.order_id() {
            reads.entry(id).or_default().push(it);
        }
    }
    reads
}

/// Whether an answer is a refusal that says what has become of an order.
fn is_noted(it: &Exchange) -> bool {
    let expected = match it.request.action {
        Action::Complete(_) => Some(Status::Completed),
        Action::Cancel(_) => Some(Status::Cancelled),
        Action::Order { .. } => None,
        _ => return false,
    };
    let ends = [Status::Rejected, Status::Expired, Status::Cancelled];
    it.status() != expected && it.status().is_some_and(|status| ends.contains(&status))
}

/// Compares each status only with those that had been shown before it was asked for: of two requests at the same
/// time, either may have been answered first.
fn went_back(shown: &mut [&Exchange], has_holds: bool) -> Option<(Status, Status)> {
    let mut earlier = shown.to_vec();
    earlier.sort_unstable_by_key(|it| it.done_us);
    shown.sort_unstable_by_key(|it| it.sent_us);
    let mut earlier = earlier.into_iter().peekable();
    let mut furthest: Option<Status> = None;
    for now in shown {
        while let Some(before) = earlier.next_if(|it| it.done_us < now.sent_us) {
            // In a sale with holds, a refusal says what Redis has noted, before the order shows it.
            let is_shown = !(has_holds && is_noted(before));
            if is_shown && furthest.map(Status::rank) < before.status().map(Status::rank) {
                furthest = before.status();
            }
        }
        let (Some(from), Some(to)) = (furthest, now.status()) else {
            continue;
        };
        // Documented: while PostgreSQL is away, the status in the answer to a retry ends at `accepted`. The answer to a
        // completion that is not known to be in its row does so, too.
        let is_pending = matches!(now.response, Response::Pending(_));
        let allowed = (now.request.action.is_order() || is_pending) && to.rank() == 0;
        let decided = [Status::Confirmed, Status::Rejected];
        let swapped = from != to && decided.contains(&from) && decided.contains(&to);
        if !allowed && (to.rank() < from.rank() || swapped) {
            return Some((from, to));
        }
    }
    None
}
