//! Restores the orders of a stopped sale and what is counted per user, page by page: a sale may have millions.

use fluxgate_domain::order_facts::{Cancel, CancelledBy};
use fluxgate_domain::{HoldTerms, OrderFacts, OrderStatus};
use fluxgate_gate::{Pair, Part, Stopped};
use fluxgate_ledger::{OrderPages, OrderRow, UserRow};

use super::refill::Refill;
use super::{RebuildError, read};

/// Restores the records of the orders, and the holds of those that wait for their payment. Returns the number of orders.
pub async fn restore_orders(
    stopped: &Stopped<'_>,
    orders: &mut OrderPages<'_>,
    holds: Option<HoldTerms>,
) -> Result<usize, RebuildError> {
    let mut restored = 0;
    loop {
        let page = read(orders.next().await)?;
        if page.is_empty() {
            return Ok(restored);
        }
        restored += page.len();
        let records: Vec<Pair> = page.iter().map(order_pair).collect();
        stopped.fill(Part::Orders, &records).await?;
        if let Some(terms) = holds {
            let holds = page.iter().filter_map(|order| hold_pair(order, terms));
            let holds: Vec<Pair> = holds.collect();
            stopped.fill(Part::Holds, &holds).await?;
        }
    }
}

/// Restores the units that each user holds, and the orders that each has left unpaid.
pub async fn restore_users(
    stopped: &Stopped<'_>,
    orders: &mut OrderPages<'_>,
    refill: &Refill,
) -> Result<(), RebuildError> {
    if !refill.has_user_limit && refill.holds.is_none() {
        return Ok(());
    }
    loop {
        let page = read(orders.next_users().await)?;
        if page.is_empty() {
            return Ok(());
        }
        let pairs = page.iter().flat_map(|user| user_pairs(user, refill));
        let pairs: Vec<Pair> = pairs.collect();
        stopped.fill(Part::Users, &pairs).await?;
    }
}

/// The record of an order.
fn order_pair(order: &OrderRow) -> Pair {
    let OrderRow {
        number,
        quantity,
        user,
        ..
    } = order;
    let placed_at = order.placed_at.as_millisecond();
    let marks = marks(&order.facts, placed_at);
    let record = format!("{number}{marks} {placed_at} {quantity} {user}");
    (order.id.to_string(), record)
}

/// What follows the number of an order. PostgreSQL does not keep the times of these events, and they are not needed: the
/// events were published.
fn marks(facts: &OrderFacts, at_ms: i64) -> String {
    // Of completion and expiry, a record has the one that the ledger counts: an order whose completion was refused has expired,
    // and one that has its units in spite of an expiry can still be cancelled.
    let is_completed = facts.is_completed();
    let completion = facts.completion.filter(|_| is_completed);
    let expiry = facts.expiry.filter(|_| !is_completed);
    let is_rejected = facts.status() == OrderStatus::Rejected;
    let cancel = facts.cancel.map(|Cancel { number, by }| match by {
        CancelledBy::Shop => format!("/{number}/{at_ms}"),
        CancelledBy::Buyer => format!("/{number}/{at_ms}/buyer"),
    });
    let marks = [
        is_rejected.then(|| "/rejected".to_owned()),
        completion.map(|number| format!("/completed:{number}:{at_ms}")),
        expiry.map(|number| format!("/expired:{number}:{at_ms}")),
        cancel,
    ];
    marks.into_iter().flatten().collect()
}

/// The end of the hold of an order that waits for its payment.
fn hold_pair(order: &OrderRow, terms: HoldTerms) -> Option<Pair> {
    let ends_at = terms.expires_at(order.placed_at).as_millisecond();
    let is_held = order.facts.status() == OrderStatus::Confirmed;
    is_held.then(|| (ends_at.to_string(), order.id.to_string()))
}

/// The fields of a user.
fn user_pairs(row: &UserRow, refill: &Refill) -> impl Iterator<Item = Pair> {
    let UserRow {
        user,
        units,
        unpaid,
    } = row;
    let units = (refill.has_user_limit && *units > 0).then(|| (user.clone(), units.to_string()));
    let has_unpaid = refill.holds.is_some() && *unpaid > 0;
    let unpaid = has_unpaid.then(|| (format!("\u{1}{user}"), unpaid.to_string()));
    units.into_iter().chain(unpaid)
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::{HoldSeconds, IdempotencyKey, OrderId, ProductId, Tag, UserId};
    use fluxgate_domain::order_facts::{Decision, RejectReason};
    use fluxgate_domain::records::OrderRecord;
    use fluxgate_domain::{SequenceNumber, Terms};
    use jiff::Timestamp;

    use super::*;

    const CONFIRMED: OrderFacts = OrderFacts::of(Decision::Confirmed);
    const EXPIRED: OrderFacts = OrderFacts {
        expiry: Some(SequenceNumber::new(1, 3)),
        ..CONFIRMED
    };
    const COMPLETED: OrderFacts = OrderFacts {
        completion: Some(SequenceNumber::new(1, 2)),
        ..CONFIRMED
    };

    fn cancelled(by: CancelledBy, facts: OrderFacts) -> OrderFacts {
        let number = SequenceNumber::new(1, 4);
        OrderFacts {
            cancel: Some(Cancel { number, by }),
            ..facts
        }
    }

    fn row(facts: OrderFacts) -> OrderRow {
        let product = ProductId::parse("p").unwrap();
        let user = UserId::parse("u v").unwrap();
        let key = IdempotencyKey::parse("k").unwrap();
        OrderRow {
            id: OrderId::derive(&product, Tag::of(&product), 1, &user, &key),
            user: "u v".to_owned(),
            quantity: 2,
            number: SequenceNumber::new(1, 1),
            placed_at: Timestamp::from_millisecond(7).unwrap(),
            facts,
        }
    }

    fn holds() -> HoldTerms {
        let terms = Terms {
            hold_seconds: HoldSeconds::try_from(60).ok(),
            ..Terms::of(10.try_into().unwrap())
        };
        terms.holds().unwrap()
    }

    #[test]
    fn a_restored_record_says_what_became_of_its_order() {
        let refused = OrderFacts {
            completion: Some(SequenceNumber::new(1, 5)),
            completion_refused: true,
            ..EXPIRED
        };
        let paid_late = OrderFacts {
            expiry: EXPIRED.expiry,
            ..COMPLETED
        };
        let rejected = OrderFacts::of(Decision::Rejected(RejectReason::Oversold));
        for (facts, marks) in [
            (CONFIRMED, ""),
            (rejected, "/rejected"),
            (COMPLETED, "/completed:1-2:7"),
            (EXPIRED, "/expired:1-3:7"),
            (refused, "/expired:1-3:7"),
            (paid_late, "/completed:1-2:7"),
            (cancelled(CancelledBy::Shop, CONFIRMED), "/1-4/7"),
            (cancelled(CancelledBy::Buyer, CONFIRMED), "/1-4/7/buyer"),
            (
                cancelled(CancelledBy::Shop, COMPLETED),
                "/completed:1-2:7/1-4/7",
            ),
            (
                cancelled(CancelledBy::Shop, EXPIRED),
                "/expired:1-3:7/1-4/7",
            ),
            (cancelled(CancelledBy::Shop, rejected), "/1-4/7"),
        ] {
            let (id, record) = order_pair(&row(facts));
            assert_eq!(id, row(facts).id.to_string());
            assert_eq!(record, format!("1-1{marks} 7 2 u v"));
            record.parse::<OrderRecord>().unwrap();
        }
    }

    #[test]
    fn only_an_order_that_waits_for_its_payment_has_a_hold() {
        let order = row(CONFIRMED);
        let hold = hold_pair(&order, holds());
        assert_eq!(hold, Some(("60007".to_owned(), order.id.to_string())));
        let rejected = OrderFacts::of(Decision::Rejected(RejectReason::Oversold));
        let cancelled = cancelled(CancelledBy::Shop, CONFIRMED);
        for facts in [COMPLETED, EXPIRED, rejected, cancelled] {
            assert_eq!(hold_pair(&row(facts), holds()), None, "{facts:?}");
        }
    }

    #[test]
    fn a_user_has_the_fields_that_the_terms_of_the_sale_need() {
        let fields = |has_user_limit, has_holds: bool, units, unpaid| {
            let refill = Refill {
                changes: Vec::new(),
                sale: Vec::new(),
                has_user_limit,
                holds: has_holds.then(holds),
                epoch: 2,
                remaining: 0,
            };
            let row = UserRow {
                user: "u".to_owned(),
                units,
                unpaid,
            };
            let pairs: Vec<Pair> = user_pairs(&row, &refill).collect();
            let pairs = pairs
                .iter()
                .map(|(field, value)| format!("{field}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(fields(true, true, 3, 1), "u=3 \u{1}u=1");
        assert_eq!(fields(true, false, 3, 1), "u=3");
        assert_eq!(fields(false, true, 3, 1), "\u{1}u=1");
        assert_eq!(fields(true, true, 0, 1), "\u{1}u=1");
        assert_eq!(fields(true, true, 3, 0), "u=3");
    }
}
