//! Every way in which a run can go wrong, each found, and nothing else found with it.

use super::script::{Run, SOLD_OUT, WITH_CHANGES, WITH_HOLDS, id};
use super::*;

/// Steps after a sale with changes that went right, and the sentences that they must lead to; none where it only looks
/// as if something were wrong. In sentences, the order of buyer 1 is called `#1`.
const MISTAKES: &str = "
=>
# One key that led to two orders. A replay gives another order, or there is a second row.
order 2 confirmed+#9; read 9 confirmed; row 2 10; row 2 as 9 => duplicate order: one key of buyer-2 led to [#2 #9]
row 5 10; row 5 as 9 => duplicate order: one key of buyer-5 led to [#5 #9]
order 1 accepted => first answers: 2 answers to buyer-1 are not marked as replays

# A key that had its order is answered with it. Sold out is plausible once the last unit may be sold.
order 1*2 accepted+ => contradiction: buyer-1 had an order and was answered 202
order 9 unanswered; row 9 10; order 1 sold_out => contradiction: buyer-1 had an order and was answered sold_out
order 1 sale_closed => contradiction: buyer-1 had an order and was answered sale_closed
order 1*2 idempotency_key_reused =>
order 1 unanswered =>

# An order without its row. A dead letter accounts for its order.
lose 1 => lost: order #1 was answered accepted and is in no store
lose 6 => lost: order #6 was answered reserved and is in no store
row 3 is rejected => rejected: order #3 was answered 202 and has no units
row 3 of 2 => quantity differs: the row of order #3 is not what was asked for
dead 1 =>

# A row that no answer explains: of a buyer who asked for nothing, of one who was refused for good, of a user who is
# no buyer. A lost answer to a request for one unit does not explain two; without a connection there is no order.
row 8 10 => unexplained row: no answer explains order #8
row 4 10 => unexplained row: no answer explains order #4
row 8 10; row 8 by nobody => unexplained row: no answer explains order #8
row 3 by nobody => lost: order #3 was answered accepted and is in no store | unexplained row: no answer explains order #3
forget order 4; order 4 unanswered; row 4 10 =>
opening 5; forget order 4; order 4 unanswered; row 4 10; row 4 of 2 => unexplained row: no answer explains order #4
order 8 unconnected; row 8 10 => unexplained row: no answer explains order #8

# An answer without its reason. Of the changes, only a restock after a closing is refused.
order 9 unanswered; row 9 10; order 8 insufficient_stock => \
    unexpected answer: buyer-8 asked for 1 and was answered insufficient_stock
order 8 idempotency_key_reused => unexpected answer: buyer-8 asked for 1 and was answered idempotency_key_reused
forget order 4; order 4 sale_closed @50-55 => unexpected answer: buyer-4 asked for 1 and was answered sale_closed
cancel 1 sale_closed => unexpected answer: Cancel(OrderId(#1)) was answered sale_closed
restock 1*2 sale_closed =>

# An answer outside the contract, unless it is a proxy's own.
order 8 500 => unexpected answer: Order { buyer: 8, quantity: 1 } was answered Unexpected { http: 500, text: \"?\" }
order 8 503 => unexpected answer: Order { buyer: 8, quantity: 1 } was answered Unexpected { http: 503, text: \"?\" }
order 8 429 => unexpected answer: Order { buyer: 8, quantity: 1 } was answered Unexpected { http: 429, text: \"?\" }
read 200 => unexpected answer: ReadSale was answered Unexpected { http: 200, text: \"?\" }
expect behind_proxy; order 8 503; order 8 429 =>
expect behind_proxy; order 8 404 => \
    unexpected answer: Order { buyer: 8, quantity: 1 } was answered Unexpected { http: 404, text: \"?\" }
order 8 unavailable; read unanswered =>

# A status that goes backwards or is never final. The status in the answer to a retry ends at `accepted` while
# PostgreSQL is away. Two reads at the same time may have been answered in either order.
read 2 accepted => status went back: order #2 was Confirmed and then Accepted
read 2 rejected => status went back: order #2 was Confirmed and then Rejected
order 2 accepted+ =>
read 2 confirmed; read 2 accepted @0-999 =>
forget read 3; read 3 accepted => final status never shown: order #3 has its row

# A cancel that was lost, also where only a reader or a retry saw it, or that no call asked for.
row 0 is confirmed => cancel lost: order #0 was cancelled, its row is not
read 3 cancelled => cancel lost: order #3 was cancelled, its row is not
order 3 cancelled+ => cancel lost: order #3 was cancelled, its row is not
row 3 is cancelled => unexplained cancel: no call asked to cancel order #3
expire 3 10 => unexplained expiry: order #3 did not have to be paid
cancel 3 unanswered; row 3 is cancelled =>

# A restock that was changed, that was lost, or that no call asked for. Without it, an order in doubt has no unit.
unwrite 7; write 7 restock 1*3 => \
    change lost: restock restock-1 of 2 units | unexplained change: no call asked for restock restock-1 of 3 units
unwrite 7; write 7 cancel 0; forget order 5; order 5 unanswered @190-195; forget read 5; lose 5 => \
    change lost: restock restock-1 of 2 units
write 10 restock 2*5 => unexplained change: no call asked for restock other of 5 units
restock 2*5 unanswered; write 10 restock 2*5 =>

# A closing that was lost or ignored, or that no call asked for.
unwrite 9; write 9 cancel 0 => change lost: closing
forget close; forget order 7; order 7 unanswered => unexplained change: no call asked for closing
order 8 accepted; read 8 confirmed; row 8 10 => sold after close: buyer-8 came after the closing and got an order
order 6 accepted+ =>

# Units that are sold twice or are nowhere: the unit of a cancel came back twice, or not at all.
redis remaining 2 => stranded: of 6 units 2 are left and 5 are confirmed
redis remaining 0 => stranded: of 6 units 0 are left and 5 are confirmed
order 9 unanswered; row 9 10; order 8 unanswered; row 8 11 => oversold: 7 units are confirmed of 6

# A sell-out while units were left: before enough was asked for, or while some are left for good. Fewer than the two
# that he asked for may be left, and a unit may have come back between his answer and the end.
order 0 sold_out @0-5 => phantom sell-out: buyer-0 was refused while 3 units were left
order 8 sold_out => phantom sell-out: buyer-8 was refused while 1 units were left
order 8*2 insufficient_stock; close done; cancel 3 done; row 3 is cancelled; order 9*2 unanswered; \
    order 8*2 insufficient_stock => phantom sell-out: buyer-8 was refused while 2 units were left
order 8*2 insufficient_stock =>
order 8 sold_out; forget cancel 0; cancel 0 unanswered @120-125; cancel 0 done =>

# A sequence number that is missing, repeated or beyond the last.
unwrite 5 => sequence numbers: missing [5], repeated [], beyond the last []
write 5 cancel 0 => sequence numbers: missing [], repeated [5], beyond the last []
row 1 at 3 => sequence numbers: missing [2], repeated [3], beyond the last []
redis sequence 8 => sequence numbers: missing [], repeated [], beyond the last [9]

# Stores that disagree or do not have the sale.
redis total 7 => disagreement: total in Redis: 7, should be 6
ledger total 7 => disagreement: total in the ledger: 7, should be 6
ledger sold 4 => disagreement: units sold in the ledger: 4, should be 5
redis records 6 => disagreement: records of orders and restocks in Redis: 6, should be 7
redis outbox 1 => disagreement: outbox entries in Redis: 1, should be 0
lag unwritten 1 => disagreement: unwritten records: 1, should be 0
lag uncommitted 1 => disagreement: uncommitted records: 1, should be 0
no redis => sale missing: Redis does not have it
no ledger => sale missing: PostgreSQL does not have it
";

/// The same after a sale whose orders have to be paid.
const MISTAKES_WITH_HOLDS: &str = "
=>
# A completion that was lost, that was only shown to a reader or to a retry, or that no call asked for. One that is
# pending, or was refused, promises nothing.
row 0 is confirmed => completion lost: order #0 was completed, its row is not
read 3 completed => completion lost: order #3 was completed, its row is not
order 3 completed+ => completion lost: order #3 was completed, its row is not
complete 3 pending =>
complete 4 done =>
row 3 is completed; write 11 complete 3 => unexplained completion: no call asked to complete order #3
complete 3 cancelled; row 3 is completed; write 11 complete 3 => \
    cancel lost: order #3 was cancelled, its row is not | unexplained completion: no call asked to complete order #3
complete 3 no_hold => unexpected answer: Complete(OrderId(#3)) was answered no_hold
order 9 unpaid_limit_reached => unexpected answer: buyer-9 asked for 1 and was answered unpaid_limit_reached
read 0 confirmed => status went back: order #0 was Completed and then Confirmed

# An order that was answered expired and is not, that was answered completed and then expired, that has both in its row,
# or that expired before its time. One unit that came back explains a refusal before it was sold.
row 1 is confirmed; unexpire 7; write 7 cancel 0 => expiry lost: order #1 was answered expired, its row is Confirmed
row 1 is completed; write 11 complete 1 => unexplained completion: no call asked to complete order #1 | \
    completed and expired: order #1 has both in its row | expiry lost: order #1 was answered expired, its row is Completed
write 11 complete 1 => completed and expired: order #1 has both in its row
complete 0 expired => status went back: order #0 was Completed and then Expired | \
    expiry lost: order #0 was answered expired, its row is Completed
expire 3 11; complete 3 expired @1000-1900000 => expired early: order #3 was answered expired within 1899 ms
expire 3 11; cancel 3 expired; read 3 confirmed =>
expire 3 11; read 3 expired; read 3 confirmed => status went back: order #3 was Expired and then Confirmed
holds 3 => expired early: order #1 was answered expired within 2000 ms
order 5 sold_out; order 5 accepted; row 5 11 =>

# Units that are in two places, or in none.
redis remaining 3 => not conserved: of 5 units 3 are left, 1 are held and 2 are completed | \
    stranded: of 5 units 3 are left and 3 are confirmed
redis records_held 2 => not conserved: of 5 units 2 are left, 2 are held and 2 are completed | \
    disagreement: units held in Redis: 2, should be 1
redis records_completed 3 => not conserved: of 5 units 2 are left, 1 are held and 3 are completed | \
    disagreement: units completed by the records in Redis: 3, should be 2
redis completed 3 => disagreement: units completed in Redis: 3, should be 2
redis holds 2 => disagreement: holds in Redis: 2, should be 1
ledger completed 1 => disagreement: units completed in the ledger: 1, should be 2

# A number that is missing: an expiry has one.
unexpire 7 => sequence numbers: missing [7], repeated [], beyond the last []
";

/// The same after a sale in which no unit comes back and every first answer arrives.
const MISTAKES_IN_A_SELL_OUT: &str = "
=>
forget order 0; order 0 accepted+ @20-25 => first answers: 0 answers to buyer-0 are not marked as replays
# The answer that was lost may be the unmarked one.
forget order 0; order 0 unanswered @10-15; order 0 accepted+ @20-25 =>
# At the same time as his order.
order 2 sold_out @48-58 => contradiction: buyer-2 had an order and was answered sold_out
";

#[test]
fn every_mistake_is_found_and_nothing_else_with_it() {
    for (right, mistakes) in [
        (WITH_CHANGES, MISTAKES),
        (WITH_HOLDS, MISTAKES_WITH_HOLDS),
        (SOLD_OUT, MISTAKES_IN_A_SELL_OUT),
    ] {
        let lines = mistakes.lines().filter_map(|line| line.split_once("=>"));
        for (steps, expected) in lines {
            let run = Run::of(&[right, steps]);
            let found = violations(run.history(), &run.contents);
            let sentences: Vec<_> = found.iter().map(Violation::to_string).collect();
            let id = id(0).to_string();
            let mut text = sentences.join(" | ").replace(&id[..id.len() - 1], "#");
            for (restock, name) in [("1", "restock-1"), ("2", "other")] {
                if let AdminCall::Restock { change_id, .. } = run.stored(&["restock", restock]) {
                    text = text.replace(&change_id, name);
                }
            }
            assert_eq!(text, expected.trim(), "{steps}");
        }
    }
}

#[test]
fn a_loss_is_excused_only_where_it_was_caused_and_reported() {
    let lost = |accepted| Violation::Lost {
        id: id(1),
        accepted,
    };
    let both = || vec![lost(true), lost(false)];
    let silent = vec![Violation::UnreportedLoss, lost(false)];
    let stopped = || vec![Violation::Undecided { requests: 1 }];
    for (violations, possible, reported, rebuilt, expected) in [
        (vec![], true, false, false, vec![]),
        (vec![lost(false)], true, true, false, vec![]),
        (both(), true, true, true, vec![lost(true)]),
        (stopped(), true, true, false, vec![]),
        (stopped(), true, true, true, stopped()),
        (vec![lost(false)], true, false, false, silent),
        (vec![], false, true, false, vec![Violation::FalseLossReport]),
        (both(), false, false, false, both()),
    ] {
        let loss = Loss {
            possible,
            reported,
            rebuilt,
        };
        assert_eq!(judge(violations, loss), expected);
    }
}

#[test]
fn a_long_list_is_cut_short() {
    let (buyer, ids) = (name(3), (0..7).map(id).collect());
    let sentence = Violation::DuplicateOrder { buyer, ids }.to_string();
    assert!(sentence.ends_with(" and 2 more]"), "{sentence}");
}

/// What a run of ten million orders needs must stay small.
#[test]
fn exchanges_and_rows_are_compact() {
    assert_eq!((size_of::<Exchange>(), size_of::<Row>()), (80, 40));
}
