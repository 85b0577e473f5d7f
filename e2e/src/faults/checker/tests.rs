//! Every way in which a run can go wrong, each found, and found once.

use super::example::{Example, change, refused, sale_of, silence, user};
use super::*;
use crate::answer::Status;
use crate::faults::history::Reply;

/// Fails unless `expected` is exactly what is found once `spoil` has been at work.
fn finds(expected: impl FnOnce(&Example) -> Violation, spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    spoil(&mut example);
    assert_eq!(example.violations(), [expected(&example)]);
}

fn nothing_wrong(spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    spoil(&mut example);
    assert_eq!(example.violations(), []);
}

/// Takes a row away, and the unit it held back to the shelf.
fn unsell(e: &mut Example, buyer: usize) {
    let id = e.id(buyer);
    e.rows().retain(|row| row.id != id);
    e.ledger().sold -= 1;
    e.shelf().remaining += 1;
}

/// One more row, with its unit taken off the shelf and its number given.
fn sell(e: &mut Example, buyer: usize) {
    let row = e.row_of(buyer, 10);
    e.rows().push(row);
    e.sale().numbers.push(10);
    e.ledger().sold += 1;
    e.shelf().remaining -= 1;
    e.shelf().sequence = 10;
}

#[test]
fn a_run_that_went_right_has_no_violation() {
    nothing_wrong(|_| {});
}

#[test]
fn a_promised_order_that_is_nowhere_is_lost() {
    finds(
        |e| Violation::Lost {
            id: e.id(1),
            accepted: true,
        },
        |e| unsell(e, 1),
    );
    finds(
        |e| Violation::Lost {
            id: e.id(6),
            accepted: false,
        },
        |e| unsell(e, 6),
    );
}

#[test]
fn a_dead_letter_with_a_reason_accounts_for_its_order() {
    nothing_wrong(|e| {
        unsell(e, 1);
        e.sale().numbers.retain(|number| *number != 2);
        let letter = DeadLetter {
            order_id: Some(e.id(1)),
            product_id: e.sale().sale.product.to_string(),
            sequence: 2,
            reason: "unreadable".into(),
        };
        e.end.dead_letters.push(letter);
    });
}

#[test]
fn a_promised_order_without_units_is_rejected() {
    finds(
        |e| Violation::Rejected { id: e.id(3) },
        |e| {
            e.row(3).status = "rejected".into();
            e.ledger().sold = 4;
            e.shelf().remaining = 2;
        },
    );
}

#[test]
fn a_row_with_another_quantity_is_altered() {
    finds(
        |e| Violation::Altered { id: e.id(3) },
        |e| {
            e.row(3).quantity = 2;
            e.ledger().sold = 6;
            e.shelf().remaining = 0;
        },
    );
}

#[test]
fn a_replay_that_gives_another_order_is_doubled() {
    finds(
        |e| {
            let mut ids = vec![e.id(2), e.id(9)];
            ids.sort_unstable();
            Violation::Doubled { user: user(2), ids }
        },
        // Both have rows, so nothing is lost.
        |e| {
            e.buy(2, e.taken(9, Status::Confirmed, true));
            sell(e, 9);
            e.row(9).user = user(2);
        },
    );
}

#[test]
fn two_answers_that_claim_to_be_the_first_are_found() {
    let times = 2;
    finds(
        |_| Violation::Unmarked {
            user: user(1),
            times,
        },
        |e| e.buy(1, e.taken(1, Status::Accepted, false)),
    );
}

#[test]
fn a_key_that_had_its_order_is_not_refused_later() {
    for (http, code) in [(409, "sold_out"), (409, "sale_closed")] {
        finds(
            |_| Violation::Contradicted {
                user: user(1),
                code: code.into(),
            },
            |e| {
                // Where no unit is left, being sold out is at least plausible.
                sell(e, 8);
                let doubt = e.order(8, 1);
                e.tell(doubt, silence());
                e.buy(1, refused(http, code));
            },
        );
    }
    nothing_wrong(|e| {
        e.tell(e.order(1, 2), refused(422, "idempotency_key_reused"));
        e.buy(1, refused(503, "unavailable"));
    });
}

#[test]
fn the_same_key_with_another_quantity_is_not_taken() {
    finds(
        |_| Violation::Contradicted {
            user: user(1),
            code: "another quantity".into(),
        },
        |e| e.tell(e.order(1, 2), e.taken(1, Status::Accepted, true)),
    );
}

#[test]
fn a_row_that_nobody_can_have_ordered_is_found() {
    // Of a stranger, and of a buyer who was refused for good.
    finds(|e| Violation::Unasked { id: e.id(8) }, |e| sell(e, 8));
    finds(|e| Violation::Unasked { id: e.id(4) }, |e| sell(e, 4));
    nothing_wrong(|e| {
        e.instead(
            |it| matches!(&it.ask, Ask::Order { user, .. } if user == "buyer-4"),
            &silence(),
        );
        sell(e, 4);
    });
}

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
fn a_cancel_that_did_not_happen_is_found() {
    finds(
        |e| Violation::CancelLost { id: e.id(0) },
        |e| {
            e.row(0).status = "confirmed".into();
            e.ledger().sold = 6;
            e.shelf().remaining = 0;
        },
    );
}

#[test]
fn a_cancel_that_nobody_asked_for_is_found() {
    finds(
        |e| Violation::CancelUnasked { id: e.id(3) },
        |e| {
            e.row(3).status = "cancelled".into();
            e.ledger().sold = 4;
            e.shelf().remaining = 2;
        },
    );
}

#[test]
fn a_cancelled_unit_that_came_back_twice_or_not_at_all_is_stranded() {
    for remaining in [2, 0] {
        finds(
            |_| Violation::Stranded {
                total: 6,
                remaining,
                confirmed: 5,
            },
            |e| e.shelf().remaining = remaining,
        );
    }
}

#[test]
fn a_restock_that_was_lost_or_changed_is_found() {
    let lost = |written: Option<i64>| {
        move |_: &Example| Violation::ChangeLost {
            what: format!("restock restock-1 of 2, written: {written:?}"),
        }
    };
    finds(lost(Some(3)), |e| {
        e.sale().changes[0].units = 3;
        e.shelf().total = 7;
        e.shelf().remaining = 2;
        e.ledger().total = 7;
    });
    finds(lost(None), |e| {
        e.sale().changes.remove(0);
        e.shelf().total = 4;
        e.shelf().remaining = -1;
        e.ledger().total = 4;
        // Five are sold of four units, so take one away that was only in doubt.
        e.instead(
            |it| matches!(&it.ask, Ask::Order { user, .. } if user == "buyer-5"),
            &silence(),
        );
        let id = e.id(5);
        e.rows().retain(|row| row.id != id);
        e.ledger().sold = 4;
        e.shelf().remaining = 0;
    });
}

#[test]
fn a_restock_that_nobody_asked_for_is_found() {
    finds(
        |_| Violation::ChangeUnasked {
            what: "1 restocks".into(),
        },
        |e| {
            e.sale().changes.push(change("other", "restock", 5));
            e.shelf().total = 11;
            e.shelf().remaining = 6;
            e.ledger().total = 11;
        },
    );
}

#[test]
fn a_closing_that_was_not_written_is_found() {
    finds(
        |_| Violation::ChangeLost {
            what: "closing".into(),
        },
        |e| drop(e.sale().changes.remove(1)),
    );
}

#[test]
fn whoever_comes_after_the_closing_is_sold_nothing() {
    finds(
        |_| Violation::AfterClose { user: user(8) },
        |e| {
            e.buy(8, e.taken(8, Status::Accepted, false));
            sell(e, 8);
        },
    );
    nothing_wrong(|e| e.buy(6, e.taken(6, Status::Accepted, true)));
}

#[test]
fn sold_out_before_enough_was_asked_for_is_a_phantom() {
    finds(
        |_| Violation::PhantomSellOut {
            user: user(0),
            left: 3,
        },
        |e| {
            let mut early = e.history[0].clone();
            early.reply = refused(409, "sold_out");
            (early.sent_us, early.done_us) = (0, 5);
            e.history.insert(0, early);
        },
    );
}

#[test]
fn sold_out_while_something_is_left_for_good_is_a_phantom() {
    finds(
        |_| Violation::PhantomSellOut {
            user: user(8),
            left: 1,
        },
        |e| e.buy(8, refused(409, "sold_out")),
    );
    // Less than the two that he wanted is left.
    nothing_wrong(|e| e.tell(e.order(8, 2), refused(409, "insufficient_stock")));
    // A unit may have come back between his answer and the end.
    nothing_wrong(|e| {
        e.buy(8, refused(409, "sold_out"));
        e.tell(e.cancel(0), e.taken(0, Status::Cancelled, false));
        e.instead(
            |it| matches!(it.ask, Ask::Cancel { .. }) && it.sent_us < 200,
            &silence(),
        );
    });
}

#[test]
fn more_than_there_is_is_oversold() {
    finds(
        |_| Violation::Oversold {
            confirmed: 7,
            total: 6,
        },
        |e| {
            for buyer in [8, 9] {
                e.tell(e.order(buyer, 1), silence());
                let row = e.row_of(buyer, 0);
                e.rows().push(row);
            }
            e.ledger().sold = 7;
        },
    );
}

#[test]
fn a_number_that_is_missing_or_stands_twice_is_found() {
    let numbers = |missing: &[i64], repeated: &[i64], beyond: &[i64]| {
        let (missing, repeated, beyond) = (missing.to_vec(), repeated.to_vec(), beyond.to_vec());
        move |_: &Example| Violation::Numbers {
            missing,
            repeated,
            beyond,
        }
    };
    finds(numbers(&[5], &[], &[]), |e| {
        e.sale().numbers.retain(|number| *number != 5);
    });
    finds(numbers(&[], &[5], &[]), |e| e.sale().numbers.push(5));
    finds(numbers(&[], &[], &[9]), |e| e.shelf().sequence = 8);
}

#[test]
fn stores_that_disagree_are_found() {
    let off = |what, seen, expected| {
        move |_: &Example| Violation::Disagreement {
            what,
            seen,
            expected,
        }
    };
    finds(off("total in Redis", 7, 6), |e| e.shelf().total = 7);
    finds(off("total in the ledger", 7, 6), |e| e.ledger().total = 7);
    finds(off("units sold by the ledger", 4, 5), |e| {
        e.ledger().sold = 4;
    });
    finds(off("entries in Redis's outbox", 1, 0), |e| {
        e.shelf().outbox = 1;
    });
    finds(off("unwritten records", 1, 0), |e| {
        e.sale().truth.lag.unwritten = 1;
    });
    finds(
        |_| Violation::Missing { store: "Redis" },
        |e| {
            e.sale().truth.shelf = None;
        },
    );
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

#[test]
fn a_loss_is_excused_only_where_it_was_caused_and_reported() {
    let id = Example::new().id(1);
    let lost = |accepted| Violation::Lost { id, accepted };
    let loss = |possible, reported| Loss { possible, reported };
    assert_eq!(judge(Vec::new(), loss(true, false)), Verdict::Right);
    assert_eq!(
        judge(vec![lost(false)], loss(true, true)),
        Verdict::Reported
    );
    let wrong = judge(vec![lost(true)], loss(true, true));
    assert_eq!(wrong, Verdict::Wrong(vec![lost(true)]));
    let silent = judge(vec![lost(false)], loss(true, false));
    let expected = vec![Violation::UnreportedLoss, lost(false)];
    assert_eq!(silent, Verdict::Wrong(expected));
    let alarm = judge(Vec::new(), loss(false, true));
    assert!(matches!(alarm, Verdict::Wrong(_)));
}
