//! The queue of a sale.

use fluxgate_domain::Terms;
use jiff::Timestamp;

/// The field `queue` of a sale on these terms; `None` if it has no queue.
pub fn queue_field(terms: &Terms) -> Option<String> {
    let queue = terms.queue?;
    let or_zero = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_millisecond);
    let (from, until) = (or_zero(queue.join_from), or_zero(queue.join_until));
    let per_second = queue.admit_per_second.get();
    let turn_seconds = queue.turn_seconds_or_default().get();
    let overbook = queue.overbook_or_default().get();
    Some(format!(
        "{from} {until} {per_second} {turn_seconds} {overbook}"
    ))
}
