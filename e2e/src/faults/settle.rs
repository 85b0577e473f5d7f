//! After the fault: is service normal again, and what became of everything that was left open.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

use super::caller::Caller;
use super::history::{Ask, Asked, Recorder, Reply};
use crate::answer::Status;
use crate::order::Sale;

/// Questions that are asked again at the same time.
const AT_ONCE: usize = 32;
const PAUSE: Duration = Duration::from_millis(100);
/// Longest a probe order may take from its answer to its row before another one is sent.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);

/// Waits until a new order on every copy is answered `accepted` and shown `confirmed`; false when
/// that takes longer than `limit`.
pub async fn normal_again(caller: &Caller, sale: &Sale, limit: Duration) -> bool {
    let probing = async {
        for copy in 0..caller.copies() {
            let mut number = 0;
            while !probe(caller, sale, copy, number).await {
                number += 1;
                sleep(PAUSE).await;
            }
        }
    };
    tokio::time::timeout(limit, probing).await.is_ok()
}

async fn probe(caller: &Caller, sale: &Sale, copy: usize, number: u32) -> bool {
    let product = sale.product.to_string();
    let name = format!("probe-{copy}-{number}");
    let order = Ask::Order {
        product: product.clone(),
        user: name.clone(),
        key: name,
        quantity: 1,
    };
    let Reply::Order { id, status, .. } = caller.ask(copy, order).await else {
        return false;
    };
    if status == Status::Reserved {
        return false;
    }
    let begin = Instant::now();
    while begin.elapsed() < CONFIRM_LIMIT {
        let product = product.clone();
        let reply = caller.ask(copy, Ask::Status { product, id }).await;
        if matches!(reply, Reply::Order { status, .. } if status == Status::Confirmed) {
            return true;
        }
        sleep(PAUSE / 5).await;
    }
    false
}

/// Asks again whatever was left undecided, until it is decided; how many questions were still
/// undecided after `limit`.
pub async fn settle(caller: &Caller, history: &Recorder, limit: Duration) -> usize {
    ask_until_none(caller, history, limit, undecided).await
}

/// Follows every order that was promised to its end, on one copy after the other, for at most `limit`.
pub async fn follow(caller: &Caller, history: &Recorder, limit: Duration) {
    ask_until_none(caller, history, limit, unsettled).await;
}

/// Asks what is `open` by the history so far, again and again until nothing is; how much still was
/// after `limit`.
async fn ask_until_none(
    caller: &Caller,
    history: &Recorder,
    limit: Duration,
    open: impl Fn(&[Asked]) -> Vec<Ask>,
) -> usize {
    let begin = Instant::now();
    loop {
        let open = open(&history.asked());
        if open.is_empty() || begin.elapsed() >= limit {
            return open.len();
        }
        stream::iter(open.into_iter().enumerate())
            .for_each_concurrent(AT_ONCE, async |(copy, ask)| {
                caller.ask(copy, ask).await;
            })
            .await;
        sleep(PAUSE).await;
    }
}

/// A look at each order that no look has shown to be settled yet.
fn unsettled(asked: &[Asked]) -> Vec<Ask> {
    let mut open = HashMap::new();
    for it in asked {
        let Reply::Order { id, .. } = it.reply else {
            continue;
        };
        let product = it.ask.product().to_owned();
        open.insert(id, Ask::Status { product, id });
    }
    for it in asked.iter().filter(|it| it.ask.is_a_look()) {
        if let Reply::Order { id, status, .. } = it.reply
            && status.rank() > 0
        {
            open.remove(&id);
        }
    }
    open.into_values().collect()
}

/// The questions whose last answer decided nothing, each once. Looking changes nothing, and is not
/// asked again.
fn undecided(asked: &[Asked]) -> Vec<Ask> {
    let mut last: HashMap<&Ask, (u64, bool)> = HashMap::new();
    for it in asked.iter().filter(|it| !it.ask.is_a_look()) {
        let now = (it.done_us, it.reply.is_undecided());
        let last = last.entry(&it.ask).or_insert(now);
        *last = now.max(*last);
    }
    let open = last.into_iter().filter(|(_, (_, undecided))| *undecided);
    open.map(|(ask, _)| ask.clone()).collect()
}
