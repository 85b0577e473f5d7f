//! Single people in a queue: user ids that are made for a bad effect, and an order in the last second of a turn.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::sleep;

use super::super::crafted::{crafted_ids, estimate_of_ids};
use super::super::queued_crowd::QueuedCrowd;
use super::super::queued_order::{Answer, ask, order};
use super::{Environment, Store};
use crate::queue::{QueuedSale, number};
use crate::wait::wait_until;

/// People whose ids are crafted, and those who join at the same time.
const CRAFTED: usize = 6_000;
const JOINING: usize = 128;
/// How much a count over their ids would be too high, at least.
const INFLATED: f64 = 1.15;
/// How much the count may be wrong: five times its standard error.
const ERROR_MAX: f64 = 0.04;
const JOIN_TIME: Duration = Duration::from_secs(60);
/// Ids that a key, a header, a separator or a script could stumble over.
const ODD_IDS: [&str; 10] = [
    " ",
    "buyer-1 ",
    "a{b}c",
    "*",
    "a:b;c,d",
    "'; DROP TABLE orders; --",
    "\\x00",
    "%s%d",
    "日本語",
    "👩‍🚀",
];
/// The last second of a turn, and what the points of the turn clock may add.
const LAST_SECOND: Duration = Duration::from_secs(2);
/// A turn, and how much longer than shown it lasts.
const TURN: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(30);
/// Longer than any order waits for Redis.
const AWAY: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(20);

/// Ids that would inflate a count over user ids are counted right, and odd ids have places like others.
pub async fn craft_ids(env: &mut Environment) -> Result<()> {
    let queue = json!({"admitPerSecond": 1_000, "turnSeconds": 30});
    let crowd = QueuedCrowd::open(env, 100, JOIN_TIME, queue).await?;
    let ids = crafted_ids(CRAFTED);
    let redis = &env.sandbox.stores.redis;
    let naive = estimate_of_ids(redis, &ids).await? as f64 / CRAFTED as f64;
    ensure!(naive > INFLATED, "the ids are not crafted well: {naive}");
    let mut holders = HashSet::new();
    for (some, user) in ids.chunks(JOINING).zip(ODD_IDS.iter().cycle()) {
        let joined = some.iter().enumerate();
        let joined = joined.map(|(n, id)| crowd.queue.join_as(n, id));
        for (ticket, _) in try_join_all(joined).await? {
            ensure!(ticket.number.is_none(), "joined after the start");
            holders.insert(ticket.holder);
        }
        let (first, second) = (
            crowd.queue.join_as(0, user).await?,
            crowd.queue.join_as(1, user).await?,
        );
        ensure!(first == second, "{user:?} has two places");
        holders.insert(first.0.holder);
    }
    let people = CRAFTED + ODD_IDS.len();
    ensure!(holders.len() == people, "{} places", holders.len());
    wait_until("all are counted", LIMIT, async || {
        let joined = number(&crowd.queue.state(0).await?, "joined")?;
        let error = joined as f64 / people as f64 - 1.0;
        ensure!(error.abs() < ERROR_MAX, "{joined} instead of {people}");
        Ok(())
    })
    .await
}

/// Redis is frozen in the last second of a turn: orders are taken in the grace of the turn, and not after it.
pub async fn order_in_the_grace(env: &mut Environment) -> Result<()> {
    let terms = json!({"admitPerSecond": 1_000, "turnSeconds": TURN.as_secs()});
    let mut crowd = QueuedCrowd::open(env, 100, Duration::from_secs(5), terms).await?;
    crowd.join_early(0..8).await?;
    crowd.until_started().await?;
    let queue = &crowd.queue;
    let [punctual, late, too_late, ..] = crowd.people() else {
        bail!("nobody joined");
    };
    wait_until("the last second", TURN + LIMIT, async || {
        let place = queue.client(0).queue_place(&queue.sale.product, &late.text);
        let (_, place) = place.await?;
        ensure!(
            place["turn"] == "open" && place["leftSeconds"] == 0,
            "{place}"
        );
        Ok(())
    })
    .await?;
    let last = clock(queue).await?;
    env.stack().freeze(Store::Redis)?;
    env.mark("frozen");
    let refused = ask(queue, 0, punctual).await;
    sleep(AWAY).await;
    env.stack().thaw(Store::Redis)?;
    env.mark("resumed");
    ensure!(refused? == Answer::Undecided, "it was not refused");
    until_clock(queue, last + LAST_SECOND).await?;
    for person in [punctual, late] {
        let (_, answer) = order(queue.clone(), person.clone()).await?;
        let is_placed = matches!(answer, Answer::Placed(..));
        ensure!(is_placed, "the grace did not save the turn: {answer:?}");
    }
    until_clock(queue, last + LAST_SECOND + GRACE).await?;
    let refused = ask(queue, 1, too_late).await;
    let error = refused.err().context("a turn without an end")?.to_string();
    ensure!(error.contains("turn_over"), "{error}");
    Ok(())
}

async fn until_clock(queue: &QueuedSale, time: Duration) -> Result<()> {
    wait_until("the turn clock goes on", GRACE + LIMIT, async || {
        let clock = clock(queue).await?;
        ensure!(clock >= time, "{clock:?} of {time:?}");
        Ok(())
    })
    .await
}

async fn clock(queue: &QueuedSale) -> Result<Duration> {
    let clock = number(&queue.state(0).await?, "clock");
    Ok(Duration::from_millis(clock?))
}
