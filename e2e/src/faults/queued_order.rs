//! An order of somebody in a queue.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fluxgate_domain::ids::OrderId;
use tokio::time::sleep;

use super::queued_crowd::LIMIT;
use crate::answer::Status;
use crate::order::{order_key, user_id};
use crate::queue::{Person, QueuedSale};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// What an order was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Placed(OrderId, Status),
    SoldOut,
    TooEarly,
    /// It has to be repeated.
    Undecided,
}

/// Orders at one instance after the other, until it is decided.
pub async fn order(queue: QueuedSale, person: Person) -> Result<(Person, Answer)> {
    let begin = Instant::now();
    for instance in person.number as usize.. {
        match ask(&queue, instance, &person).await? {
            Answer::TooEarly | Answer::Undecided => sleep(PAUSE).await,
            answer => return Ok((person, answer)),
        }
        ensure!(begin.elapsed() < LIMIT, "{person:?} cannot order");
    }
    bail!("there are no more instances")
}

/// Orders once.
pub async fn ask(queue: &QueuedSale, instance: usize, person: &Person) -> Result<Answer> {
    let (user, key) = (user_id(person.number), order_key(person.number));
    let client = queue.client(instance);
    let answer = client.order_with(&queue.sale.product, &user, &key, &person.text);
    let Ok((status, body)) = answer.await else {
        return Ok(Answer::Undecided);
    };
    Ok(match (status, body["code"].as_str().unwrap_or_default()) {
        (202, _) => {
            let text = |field: &str| body[field].as_str().context("an order");
            Answer::Placed(text("orderId")?.parse()?, text("status")?.parse()?)
        }
        (409, "sold_out") => Answer::SoldOut,
        (409, "not_your_turn" | "sale_not_open") => Answer::TooEarly,
        (503, _) => Answer::Undecided,
        _ => bail!("{person:?} ordered: {status} {body}"),
    })
}
