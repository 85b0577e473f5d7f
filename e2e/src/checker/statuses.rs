//! The statuses that each order was shown with, one after the other.

use std::collections::{BTreeSet, HashMap};

use fluxgate_domain::ids::OrderId;

use super::{AdminAnswer, Buyer, History, Sale, StatusRead, Violation};
use crate::answer::Status;

/// One answer that showed a status.
#[derive(Clone, Copy)]
pub struct Shown {
    read: StatusRead,
    /// Whether the order was placed again; else it was read or cancelled.
    by_retry: bool,
}

pub fn check(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let retries = buyer.answers.iter().filter_map(|it| it.shown());
    let retries = retries.map(|read| Shown {
        read,
        by_retry: true,
    });
    let ids: BTreeSet<OrderId> = retries.clone().map(|it| it.read.id).collect();
    for id in ids {
        let mut shown = sale.reads.get(&id).cloned().unwrap_or_default();
        shown.extend(retries.clone().filter(|it| it.read.id == id));
        if let Some((from, to)) = went_back(&mut shown) {
            report(Violation::StatusWentBack { id, from, to });
        }
        let has_row = || buyer.rows.iter().any(|row| row.id == id);
        let is_final = |it: &Shown| !it.by_retry && it.read.status.rank() > 0;
        if sale.history.expectations.final_status_read && has_row() && !shown.iter().any(is_final) {
            report(Violation::FinalStatusNeverShown { id });
        }
    }
}

/// What reads and cancels showed, by order.
pub fn reads(history: &History) -> HashMap<OrderId, Vec<Shown>> {
    let cancels = history.admin_calls.iter().filter_map(AdminAnswer::shown);
    let mut reads: HashMap<OrderId, Vec<Shown>> = HashMap::new();
    for read in history.status_reads.iter().copied().chain(cancels) {
        reads.entry(read.id).or_default().push(Shown {
            read,
            by_retry: false,
        });
    }
    reads
}

/// Compares each status only with those that had been shown before it was asked for: of two requests at the same
/// time, either may have been answered first.
fn went_back(shown: &mut [Shown]) -> Option<(Status, Status)> {
    let mut earlier = shown.to_vec();
    earlier.sort_unstable_by_key(|it| it.read.done_us);
    shown.sort_unstable_by_key(|it| it.read.sent_us);
    let mut earlier = earlier.into_iter().peekable();
    let mut furthest: Option<Status> = None;
    for now in shown {
        while let Some(before) = earlier.next_if(|it| it.read.done_us < now.read.sent_us) {
            if furthest.is_none_or(|it| it.rank() < before.read.status.rank()) {
                furthest = Some(before.read.status);
            }
        }
        let (Some(from), to) = (furthest, now.read.status) else {
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
