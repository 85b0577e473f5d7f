//! Logs that the tests write in batches of different sizes.

use fluxgate_domain::batch::Record;

use crate::fixture::{again, cancel, close, fence, opening, order, restock};

/// Two sales, one oversold, one order twice, one order of a sale that opens too late.
pub fn log() -> Vec<Record> {
    vec![
        opening(0, "a", 3),
        order(1, "a", "u1", 2, 1),
        order(2, "late", "u1", 1, 1),
        opening(3, "b", 10),
        order(4, "b", "u1", 1, 1),
        order(5, "a", "u2", 2, 2),
        order(6, "a", "u1", 2, 1),
        opening(7, "late", 5),
        order(8, "a", "u3", 1, 3),
        order(9, "late", "u2", 1, 2),
        order(10, "nowhere", "u1", 1, 1),
        opening(11, "a", 3),
    ]
}

/// Every kind of change, some twice, one cancel before its order, one restock of nothing.
pub fn changes() -> Vec<Record> {
    let (first, late) = (order(1, "a", "u1", 2, 1), order(6, "a", "u3", 1, 4));
    vec![
        opening(0, "a", 3),
        first.clone(),
        order(2, "a", "u2", 2, 2),
        cancel(3, &first, 3),
        cancel(4, &first, 3),
        cancel(5, &late, 5),
        late,
        order(7, "a", "u4", 3, 6),
        restock(8, "a", 4, 7),
        restock(9, "a", 4, 7),
        order(10, "a", "u5", 3, 8),
        close(11, "a", 9),
        restock(12, "nowhere", 1, 1),
    ]
}

/// A sale that is rebuilt after its first order: what its first life still sends comes too late.
pub fn rebuilt() -> Vec<Record> {
    let (first, late) = (order(1, "a", "u1", 1, 1), order(3, "a", "u2", 1, 2));
    vec![
        opening(0, "a", 3),
        first.clone(),
        fence(2, "a", 2),
        late,
        cancel(4, &first, 3),
        again(order(5, "a", "u3", 1, 1), 2, 1),
        // The buyer of the late one tries again, with the same key.
        again(order(6, "a", "u2", 1, 2), 2, 2),
        order(7, "a", "u2", 1, 2),
        fence(8, "a", 2),
    ]
}
