//! Answers and statuses.

use super::super::Violation;
use super::super::example::{Example, refused, sale_of, silence};
use super::{finds, nothing_wrong, sell};
use crate::answer::Status;
use crate::faults::history::{Ask, Asked, Reply};

#[test]
fn an_answer_outside_the_contract_is_found() {
    for reply in [
        refused(500, "internal"),
        refused(404, "unknown_product"),
        refused(409, "insufficient_stock"),
        refused(422, "idempotency_key_reused"),
        Reply::Broken { text: "?".into() },
    ] {
        finds(
            |e| Violation::Unexpected {
                asked: format!("{:?}", e.order(8, 1)),
                answer: format!("{reply:?}"),
            },
            |e| {
                sell(e, 9);
                e.tell(e.order(9, 1), silence());
                e.tell(e.order(8, 1), reply.clone());
            },
        );
    }
}

#[test]
fn a_closing_that_nobody_asked_for_yet_is_no_reason() {
    finds(
        |e| Violation::Unexpected {
            asked: format!("{:?}", e.order(4, 1)),
            answer: format!("{:?}", refused(409, "sale_closed")),
        },
        |e| {
            let early = e.order(4, 1);
            e.instead(|it| it.ask == early, &refused(409, "sale_closed"));
        },
    );
}

#[test]
fn an_order_whose_end_is_never_shown_is_found() {
    finds(
        |e| Violation::NotFollowed { id: e.id(3) },
        |e| {
            let (id, accepted) = (e.id(3), e.taken(3, Status::Accepted, false));
            let looks = |it: &Asked| matches!(it.ask, Ask::Status { id: of, .. } if of == id);
            e.instead(looks, &accepted);
        },
    );
}

#[test]
fn a_status_that_is_taken_back_is_found() {
    let went = |from, to| {
        move |e: &Example| Violation::WentBack {
            id: e.id(2),
            from,
            to,
        }
    };
    finds(went(Status::Confirmed, Status::Accepted), |e| {
        e.look(2, Status::Accepted);
    });
    finds(went(Status::Confirmed, Status::Rejected), |e| {
        e.look(2, Status::Rejected);
    });
    // A retry's status ends at `accepted` while PostgreSQL is away.
    nothing_wrong(|e| e.buy(2, e.taken(2, Status::Accepted, true)));
    // Two looks at the same time may have been answered in either order.
    nothing_wrong(|e| {
        e.look(2, Status::Confirmed);
        e.look(2, Status::Accepted);
        let earlier = e.history[0].sent_us;
        e.history.last_mut().unwrap().sent_us = earlier;
    });
}

#[test]
fn a_sale_shown_with_more_left_than_there_is_is_found() {
    let reply = Reply::Sale {
        total: 4,
        remaining: 5,
        status: "open".into(),
    };
    finds(
        |e| Violation::Unexpected {
            asked: format!("{:?}", e.close()),
            answer: format!("{reply:?}"),
        },
        |e| e.tell(e.close(), reply.clone()),
    );
    nothing_wrong(|e| e.tell(e.close(), sale_of(6)));
}
