//! Each key against the rows: one key, one order, and every promise kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fluxgate_domain::ids::OrderId;

use super::{View, Violation, quantity};
use crate::answer::Status;
use crate::faults::history::{Asked, Reply};
use crate::truth::Row;

pub fn violations(view: &View<'_>) -> Vec<Violation> {
    let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &view.end.truth.rows {
        rows.entry(&row.user).or_default().push(row);
    }
    let mut found = Vec::new();
    for (user, asked) in &view.keys {
        let rows = rows.remove(user).unwrap_or_default();
        found.extend(identity(user, asked, &rows));
        found.extend(contradictions(user, asked));
        found.extend(promises(view, asked, &rows));
    }
    let unasked = rows.into_values().flatten();
    found.extend(unasked.map(|row| Violation::Unasked { id: row.id }));
    found
}

/// One order, and one answer that says it is the first.
fn identity(user: &str, asked: &[&Asked], rows: &[&Row]) -> Vec<Violation> {
    let mut found = Vec::new();
    let promised = asked.iter().filter_map(|it| it.reply.order_id());
    let ids: BTreeSet<OrderId> = promised.chain(rows.iter().map(|row| row.id)).collect();
    if ids.len() > 1 {
        found.push(Violation::Doubled {
            user: user.to_owned(),
            ids: ids.into_iter().collect(),
        });
    }
    // None at all is right: the first answer may have got lost, also between API and Redis.
    let is_first = |it: &&&Asked| matches!(it.reply, Reply::Order { replayed, .. } if !replayed);
    let times = asked.iter().filter(is_first).count();
    if times > 1 {
        found.push(Violation::Unmarked {
            user: user.to_owned(),
            times,
        });
    }
    found
}

/// From the first 202 on, the key is answered with its order, or, asked for another quantity, with
/// what `422` says.
fn contradictions(user: &str, asked: &[&Asked]) -> Vec<Violation> {
    let taken = asked.iter().filter(|it| it.reply.order_id().is_some());
    let Some(first) = taken.min_by_key(|it| it.done_us) else {
        return Vec::new();
    };
    let later = asked.iter().filter(|it| it.sent_us > first.done_us);
    let wrong = later.filter(|it| match &it.reply {
        Reply::Order { .. } => quantity(&it.ask) != quantity(&first.ask),
        Reply::Refused { http, code } if *http < 500 => {
            quantity(&it.ask) == quantity(&first.ask) || code != "idempotency_key_reused"
        }
        _ => false,
    });
    wrong
        .map(|it| Violation::Contradicted {
            user: user.to_owned(),
            code: match it.reply.code() {
                "" => "another quantity".into(),
                code => code.to_owned(),
            },
        })
        .collect()
}

/// Every promise a row or a dead letter, every row a promise or a doubt.
fn promises(view: &View<'_>, asked: &[&Asked], rows: &[&Row]) -> Vec<Violation> {
    let mut promised: HashMap<OrderId, (i64, bool)> = HashMap::new();
    for it in asked {
        if let Reply::Order { id, status, .. } = it.reply {
            let accepted = status != Status::Reserved;
            let order = promised.entry(id).or_insert((quantity(&it.ask), accepted));
            order.1 |= accepted;
        }
    }
    let mut found = Vec::new();
    for (id, (units, accepted)) in &promised {
        let (id, accepted) = (*id, *accepted);
        let is_dead = view.dead_letters.iter().any(|it| it.order_id == Some(id));
        match rows.iter().find(|row| row.id == id) {
            None if is_dead => {}
            None => found.push(Violation::Lost { id, accepted }),
            Some(row) if row.quantity != *units => found.push(Violation::Altered { id }),
            Some(row) if row.status == "rejected" => found.push(Violation::Rejected { id }),
            Some(_) => {}
        }
    }
    let in_doubt = asked.iter().filter(|it| it.reply.is_undecided());
    let in_doubt: BTreeSet<i64> = in_doubt.map(|it| quantity(&it.ask)).collect();
    let unasked = rows
        .iter()
        .filter(|row| !promised.contains_key(&row.id) && !in_doubt.contains(&row.quantity));
    found.extend(unasked.map(|row| Violation::Unasked { id: row.id }));
    found
}
