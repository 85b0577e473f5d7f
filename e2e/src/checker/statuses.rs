//! The statuses that each order was shown with, one after the other.

use std::collections::{BTreeSet, HashMap};

use fluxgate_domain::ids::OrderId;

use super::{Buyer, Exchange, OrderAnswer, Sale, Violation};
use crate::answer::{Answer, OrderShown, Status};

/// One answer that showed a status.
#[derive(Clone, Copy)]
pub struct Shown {
    sent_us: u64,
    done_us: u64,
    order: OrderShown,
    /// Whether the order was placed again; else it was read or cancelled.
    by_retry: bool,
}

pub fn check(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let retries = buyer.answers.iter().filter_map(shown_by_retry);
    let ids: BTreeSet<OrderId> = retries.clone().map(|it| it.order.id).collect();
    for id in ids {
        let mut shown = sale.reads.get(&id).cloned().unwrap_or_default();
        shown.extend(retries.clone().filter(|it| it.order.id == id));
        if let Some((from, to)) = went_back(&mut shown) {
            report(Violation::StatusWentBack { id, from, to });
        }
        let has_row = || buyer.rows.iter().any(|row| row.id == id);
        let is_final = |it: &Shown| !it.by_retry && it.order.status.rank() > 0;
        if sale.expectations.final_status_read && has_row() && !shown.iter().any(is_final) {
            report(Violation::FinalStatusNeverShown { id });
        }
    }
}

fn shown_by_retry(it: &OrderAnswer) -> Option<Shown> {
    let Answer::Placed(order) = it.answer else {
        return None;
    };
    Some(Shown {
        sent_us: it.sent_us,
        done_us: it.done_us,
        order,
        by_retry: true,
    })
}

/// What reads and cancels showed, by order.
pub fn reads(exchanges: &[&Exchange]) -> HashMap<OrderId, Vec<Shown>> {
    let mut reads: HashMap<OrderId, Vec<Shown>> = HashMap::new();
    let others = exchanges.iter();
    for it in others.filter(|it| !it.request.action.is_order()) {
        if let Some(order) = it.response.order() {
            reads.entry(order.id).or_default().push(Shown {
                sent_us: it.sent_us,
                done_us: it.done_us,
                order,
                by_retry: false,
            });
        }
    }
    reads
}

/// Compares each status only with those that had been shown before it was asked for: of two requests at the same
/// time, either may have been answered first.
fn went_back(shown: &mut [Shown]) -> Option<(Status, Status)> {
    let mut earlier = shown.to_vec();
    earlier.sort_unstable_by_key(|it| it.done_us);
    shown.sort_unstable_by_key(|it| it.sent_us);
    let mut earlier = earlier.into_iter().peekable();
    let mut furthest: Option<Status> = None;
    for now in shown {
        while let Some(before) = earlier.next_if(|it| it.done_us < now.sent_us) {
            if furthest.is_none_or(|it| it.rank() < before.order.status.rank()) {
                furthest = Some(before.order.status);
            }
        }
        let (Some(from), to) = (furthest, now.order.status) else {
            continue;
        };
        // Documented: while PostgreSQL is away, the status in the answer to a retry ends at `accepted`.
        let allowed = now.by_retry && to.rank() == 0;
        let decided = [Status::Confirmed, Status::Rejected];
        let swapped = from != to && decided.contains(&from) && decided.contains(&to);
        if !allowed && (to.rank() < from.rank() || swapped) {
            return Some((from, to));
        }
    }
    None
}
