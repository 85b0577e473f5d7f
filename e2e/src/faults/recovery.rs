//! After the fault: is the service normal again, and what became of the requests that were left open.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

use crate::answer::{OrderShown, Status};
use crate::exchange::{Exchange, Request};
use crate::load::caller::Caller;
use crate::order::Action;

/// Requests that are repeated at the same time.
const IN_FLIGHT: usize = 32;
const PAUSE: Duration = Duration::from_millis(100);
/// Longest from a probe's answer to its row; then another probe is sent.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);
/// The first buyer of the probes. No other buyer comes near.
const FIRST_PROBE: u32 = 1_000_000_000;

/// Waits until a new order at every instance is answered `expected` (`accepted`, or `reserved` where orders do not wait
/// for Kafka) and shown `confirmed`; false when that takes longer than `limit`.
pub async fn is_normal(caller: &Caller, sale: u16, expected: Status, limit: Duration) -> bool {
    let mut buyer = FIRST_PROBE;
    let probing = async {
        for instance in 0..caller.instances() {
            while !probe(caller, sale, instance, buyer, expected).await {
                buyer += 1;
                sleep(PAUSE).await;
            }
            buyer += 1;
        }
    };
    tokio::time::timeout(limit, probing).await.is_ok()
}

async fn probe(caller: &Caller, sale: u16, instance: u32, buyer: u32, expected: Status) -> bool {
    let ask = async |action| {
        let response = caller.ask(instance, Request { sale, action }).await;
        response.order()
    };
    let id = match ask(Action::Order { buyer, quantity: 1 }).await {
        Some(OrderShown { id, status, .. }) if status != Status::Reserved || expected == status => {
            id
        }
        _ => return false,
    };
    let begin = Instant::now();
    while begin.elapsed() < CONFIRM_LIMIT {
        let order = ask(Action::ReadStatus(id)).await;
        if order.is_some_and(|it| it.status == Status::Confirmed) {
            return true;
        }
        sleep(PAUSE / 5).await;
    }
    false
}

/// Sends the requests that are `open` by the history so far, again and again until there is none; how many there still
/// were after `limit`. A request about an order that no store has is sent once: the next answer would be the same, and
/// the checker judges it.
pub async fn repeat_until_none(
    caller: &Caller,
    limit: Duration,
    open: impl Fn(&[Exchange]) -> Vec<Request>,
) -> usize {
    let (begin, begin_us) = (Instant::now(), caller.recorder.now_us());
    loop {
        let open = caller.recorder.look(|all| {
            let new = all.iter().filter(|it| it.sent_us >= begin_us);
            let gone = new.filter(|it| it.response.is_missing());
            let gone: HashSet<_> = gone.map(|it| it.request).collect();
            let mut open = open(all);
            open.retain(|request| !gone.contains(request));
            open
        });
        if open.is_empty() || begin.elapsed() >= limit {
            return open.len();
        }
        stream::iter((0..).zip(open))
            .for_each_concurrent(IN_FLIGHT, async |(instance, request)| {
                caller.ask(instance, request).await;
            })
            .await;
        sleep(PAUSE).await;
    }
}

/// A status read of each order that no read has shown to be final.
pub fn not_final(exchanges: &[Exchange]) -> Vec<Request> {
    let mut open = HashMap::new();
    let orders = exchanges
        .iter()
        .filter_map(|it| Some((&it.request, it.response.order()?)));
    for (request, order) in orders.clone() {
        let (sale, action) = (request.sale, Action::ReadStatus(order.id));
        open.insert(order.id, Request { sale, action });
    }
    for (request, order) in orders {
        if request.action.is_read() && order.status.rank() > 0 {
            open.remove(&order.id);
        }
    }
    open.into_values().collect()
}
