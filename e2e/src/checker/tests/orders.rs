//! One key, one order; every 202 a row; every row an answer; statuses.

use super::super::example::{id, placed, row};
use super::{Answer, DeadLetter, Violation, finds, finds_nothing, finds_sold_out, name};
use crate::answer::Status;

#[test]
fn an_order_that_is_nowhere_is_lost() {
    finds(
        Violation::Lost {
            id: id(1),
            accepted: true,
        },
        |e| e.unsell(1),
    );
    finds(
        Violation::Lost {
            id: id(6),
            accepted: false,
        },
        |e| e.unsell(6),
    );
}

#[test]
fn a_dead_letter_accounts_for_its_order() {
    finds_nothing(|e| {
        e.unsell(1);
        e.contents.change_sequences.pop();
        e.contents.dead_letters.push(DeadLetter {
            order_id: Some(id(1)),
            sequence: 2,
        });
        e.redis().records += 1;
    });
}

#[test]
fn an_order_without_units_is_rejected() {
    finds(Violation::Rejected { id: id(3) }, |e| {
        e.release(3, Status::Rejected)
    });
}

#[test]
fn a_row_with_another_quantity_differs() {
    finds(Violation::QuantityDiffers { id: id(3) }, |e| {
        e.row(3).quantity = 2;
        e.ledger().sold += 1;
        e.redis().remaining -= 1;
    });
}

#[test]
fn a_row_of_another_user_is_lost_and_unexplained() {
    let mut example = super::Example::with_changes();
    example.row(3).buyer = None;
    let expected = [
        Violation::Lost {
            id: id(3),
            accepted: true,
        },
        Violation::UnexplainedRow { id: id(3) },
    ];
    assert_eq!(example.violations(), expected);
}

#[test]
fn a_replay_that_gives_another_order_is_a_duplicate() {
    let expected = || Violation::DuplicateOrder {
        buyer: name(2),
        ids: vec![id(2), id(9)],
    };
    // Both have rows, so nothing is lost.
    finds(expected(), |e| {
        e.order(2, placed(9, Status::Confirmed, true));
        e.read(9, Status::Confirmed);
        e.sell(2, 10);
        e.contents.rows.last_mut().unwrap().id = id(9);
    });
}

#[test]
fn a_second_row_of_one_key_is_a_duplicate() {
    let expected = Violation::DuplicateOrder {
        buyer: name(5),
        ids: vec![id(5), id(9)],
    };
    // The undecided request would explain it.
    finds(expected, |e| {
        e.sell(5, 10);
        e.contents.rows.last_mut().unwrap().id = id(9);
    });
}

#[test]
fn two_answers_that_are_not_marked_as_replays_are_found() {
    finds(
        Violation::FirstAnswers {
            buyer: name(1),
            count: 2,
        },
        |e| {
            e.order(1, placed(1, Status::Accepted, false));
        },
    );
}

#[test]
fn a_key_with_replays_only_is_found_unless_an_answer_was_lost() {
    finds_sold_out(
        Violation::FirstAnswers {
            buyer: name(0),
            count: 0,
        },
        |e| {
            e.history.orders.remove(0);
        },
    );
    let mut example = super::Example::sold_out();
    example.history.orders[0].answer = Answer::Undecided;
    assert_eq!(example.violations(), []);
}

#[test]
fn a_key_that_had_its_order_is_not_refused_later() {
    for (answer, code) in [
        (Answer::SoldOut, "sold_out"),
        (Answer::SaleClosed, "sale_closed"),
    ] {
        finds(
            Violation::Contradiction {
                buyer: name(1),
                answer: code,
            },
            |e| {
                // No unit is left, so that being sold out is plausible.
                e.order(8, Answer::Undecided);
                e.sell(8, 10);
                e.read(8, Status::Confirmed);
                e.order(1, answer);
            },
        );
    }
    finds_nothing(|e| {
        e.order_of(1, 2, Answer::KeyReused);
        e.order(1, Answer::Undecided);
    });
}

#[test]
fn where_no_unit_comes_back_a_key_is_not_sold_out_and_then_sold() {
    finds_sold_out(
        Violation::Contradiction {
            buyer: name(2),
            answer: "sold_out",
        },
        |e| {
            e.order(2, Answer::SoldOut);
            let refusal = e.history.orders.last_mut().unwrap();
            (refusal.sent_us, refusal.done_us) = (48, 58);
        },
    );
}

#[test]
fn the_same_key_with_another_quantity_is_not_taken() {
    finds(
        Violation::Contradiction {
            buyer: name(1),
            answer: "202",
        },
        |e| {
            e.order_of(1, 2, placed(1, Status::Accepted, true));
        },
    );
}

#[test]
fn a_row_that_no_answer_explains_is_found() {
    // Of a buyer who asked for nothing, of one who was refused for good, and of a user who is no buyer.
    let expected = |number| Violation::UnexplainedRow { id: id(number) };
    finds(expected(8), |e| e.sell(8, 10));
    finds(expected(4), |e| e.sell(4, 10));
    finds(expected(8), |e| {
        e.sell(8, 10);
        e.row(8).buyer = None;
    });
    finds_nothing(|e| {
        e.answer_instead(4, Answer::Undecided);
        e.sell(4, 10);
    });
    // A lost answer to a request for one unit does not explain two.
    finds(expected(4), |e| {
        e.answer_instead(4, Answer::Undecided);
        e.contents.rows.push(super::Row {
            quantity: 2,
            ..row(4, 10)
        });
        e.ledger().sold += 2;
        e.redis().remaining -= 2;
        e.redis().records += 1;
        e.redis().sequence = 10;
        e.contents.opening_total += 1;
        e.ledger().total += 1;
        e.redis().total += 1;
        e.redis().remaining += 1;
    });
}

#[test]
fn a_refusal_without_its_reason_is_unexpected() {
    for (answer, code) in [
        (Answer::InsufficientStock, "insufficient_stock"),
        (Answer::KeyReused, "idempotency_key_reused"),
    ] {
        let text = format!("buyer-8 asked for 1 and was answered {code}");
        finds(Violation::UnexpectedAnswer { text }, |e| {
            e.order(9, Answer::Undecided);
            e.sell(9, 10);
            e.order(8, answer);
        });
    }
    let text = "buyer-4 asked for 1 and was answered sale_closed".into();
    finds(Violation::UnexpectedAnswer { text }, |e| {
        e.answer_instead(4, Answer::SaleClosed)
    });
}

#[test]
fn an_answer_outside_the_contract_is_found() {
    let text = || "GET /products/p was answered 200 {}".to_owned();
    finds(Violation::UnexpectedAnswer { text: text() }, |e| {
        e.history.unexpected.push(text())
    });
    for (http, code) in [
        (500, "internal"),
        (404, "unknown_product"),
        (429, "rate_limited"),
        (503, "other"),
    ] {
        assert_eq!(Answer::refused(http, code), None);
    }
}

#[test]
fn an_order_whose_final_status_is_never_shown_is_found() {
    finds(Violation::FinalStatusNeverShown { id: id(3) }, |e| {
        let reads = e.history.status_reads.iter_mut();
        reads
            .filter(|it| it.id == id(3))
            .for_each(|it| it.status = Status::Accepted);
    });
}

#[test]
fn a_status_that_goes_backwards_is_found() {
    let went = |from, to| Violation::StatusWentBack {
        id: id(2),
        from,
        to,
    };
    finds(went(Status::Confirmed, Status::Accepted), |e| {
        e.read(2, Status::Accepted)
    });
    finds(went(Status::Confirmed, Status::Rejected), |e| {
        e.read(2, Status::Rejected)
    });
    // The status in the answer to a retry ends at `accepted` while PostgreSQL is away.
    finds_nothing(|e| e.order(2, placed(2, Status::Accepted, true)));
    // Two reads at the same time may have been answered in either order.
    finds_nothing(|e| {
        e.read(2, Status::Confirmed);
        e.read(2, Status::Accepted);
        e.history.status_reads.last_mut().unwrap().sent_us = 0;
    });
}
