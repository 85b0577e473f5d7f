use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fluxgate_domain::queue::QueuePosition;
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Person, Plan, QueuedSale, shown_seed, thresholds};
use crate::client::Client;
use crate::order::user_id;

const JOINING: usize = 64;
/// Orders on their way at a time.
const ORDERING: usize = 256;
/// How often the crowd looks at the queue.
const LOOK: Duration = Duration::from_millis(100);
/// People who are told an estimate.
const ESTIMATES: usize = 200;
/// After the start, when they ask for it.
const ESTIMATED_AFTER: Duration = Duration::from_secs(6);
const SHOWN_EVERY: Duration = Duration::from_secs(1);
/// Nobody is let through for so long: the run does not end.
const STANDSTILL: Duration = Duration::from_secs(30);

/// Everybody who has joined.
#[derive(Debug, Default)]
pub struct Crowd {
    pub people: Vec<Person>,
    /// When the turn of a person began, since the start of following.
    pub turns: HashMap<u32, Duration>,
    /// When somebody asked for an estimate, and what it was.
    pub estimates: Vec<(u32, Duration, Duration)>,
    /// How long after the first instance the last one has shown that no unit is left.
    pub sold_out_after: Option<Duration>,
}

impl Crowd {
    /// Lets people join before the start, each at the next instance.
    pub async fn join_early(sale: &QueuedSale, people: u32) -> Result<Self> {
        let mut crowd = Self::default();
        crowd.join(sale, 0..people).await?;
        let early = crowd.people.iter().filter(|it| it.ticket.number.is_none());
        ensure!(
            early.count() as u32 == people,
            "the start came too early: raise --join-seconds"
        );
        Ok(crowd)
    }

    async fn join(&mut self, sale: &QueuedSale, numbers: std::ops::Range<u32>) -> Result<()> {
        let mut numbers: Vec<u32> = numbers.collect();
        while !numbers.is_empty() {
            let some: Vec<u32> = numbers.drain(..JOINING.min(numbers.len())).collect();
            let joined = some
                .into_iter()
                .map(|number| sale.join(number as usize, number));
            self.people.extend(try_join_all(joined).await?);
        }
        Ok(())
    }

    /// Follows the queue: people order at once in their turns, and others still join. Ends when everybody had their turn, or nothing
    /// is left.
    pub async fn follow(&mut self, sale: &QueuedSale, plan: &Plan) -> Result<()> {
        sale.start().await;
        let start = Instant::now();
        let mut orders = JoinSet::new();
        let mut waiting: Vec<Person> = self.people.clone();
        let (mut looks, mut moved, mut shown) = (0, start, start);
        loop {
            looks += 1;
            let state = sale.state(looks).await?;
            if let Some(seed) = shown_seed(&state)? {
                let late = self.join_late(sale, plan, start).await?;
                waiting.extend(late);
                let thresholds = thresholds(&state)?;
                let is_due = |person: &mut Person| {
                    thresholds.have_passed(QueuePosition::of(&person.ticket, &seed))
                };
                for person in waiting.extract_if(.., is_due).collect::<Vec<_>>() {
                    self.turns.insert(person.number, start.elapsed());
                    moved = Instant::now();
                    while orders.len() >= ORDERING {
                        ordered(orders.join_next().await)?;
                    }
                    orders.spawn(order(
                        sale.client(looks + person.number as usize).clone(),
                        sale.sale.product.clone(),
                        person,
                    ));
                }
                if self.estimates.is_empty() && start.elapsed() >= ESTIMATED_AFTER {
                    self.ask_for_estimates(sale, &waiting, start).await?;
                }
            }
            if plan.watch && shown.elapsed() >= SHOWN_EVERY {
                shown = Instant::now();
                println!(
                    "{:>3} s: {} have joined, {} had their turn, {} units are left",
                    start.elapsed().as_secs(),
                    self.people.len(),
                    self.turns.len(),
                    state["remaining"]
                );
            }
            let everybody_joined = self.people.len() as u32 == plan.early + plan.late;
            if state["remaining"] == 0 {
                self.sold_out_after = Some(until_all_show_sold_out(sale).await?);
                break;
            }
            if waiting.is_empty() && everybody_joined {
                break;
            }
            ensure!(
                moved.elapsed() < STANDSTILL,
                "nobody is let through: {state}"
            );
            sleep(LOOK).await;
        }
        while let Some(done) = orders.join_next().await {
            ordered(Some(done))?;
        }
        Ok(())
    }

    /// Lets the people join whose time has come: all in the first half of the time in which early people are served.
    async fn join_late(
        &mut self,
        sale: &QueuedSale,
        plan: &Plan,
        start: Instant,
    ) -> Result<Vec<Person>> {
        let served = plan.early.min(plan.units);
        let seconds = f64::from(served) / f64::from(plan.admit_per_second) / 2.0;
        let due = f64::from(plan.late) * (start.elapsed().as_secs_f64() / seconds).min(1.0);
        let (from, to) = (self.people.len(), plan.early + due as u32);
        self.join(sale, from as u32..to.max(from as u32)).await?;
        Ok(self.people[from..].to_vec())
    }

    async fn ask_for_estimates(
        &mut self,
        sale: &QueuedSale,
        waiting: &[Person],
        start: Instant,
    ) -> Result<()> {
        let step = (waiting.len() / ESTIMATES).max(1);
        for person in waiting.iter().step_by(step) {
            let client = sale.client(person.number as usize);
            let (status, place) = client.queue_place(&sale.sale.product, &person.text).await?;
            ensure!(status == 200, "{status} {place}");
            if let Some(seconds) = place["estimateSeconds"].as_u64() {
                let estimate = (person.number, start.elapsed(), Duration::from_secs(seconds));
                self.estimates.push(estimate);
            }
        }
        Ok(())
    }
}

async fn until_all_show_sold_out(sale: &QueuedSale) -> Result<Duration> {
    let seen = Instant::now();
    for instance in 0..sale.clients.len() {
        while sale.state(instance).await?["state"] != "sold_out" {
            ensure!(
                seen.elapsed() < STANDSTILL,
                "instance {instance} shows units"
            );
            sleep(LOOK / 10).await;
        }
    }
    Ok(seen.elapsed())
}

/// Whether somebody in whose turn it is got a unit. Everybody is let through before the stock is gone, but not everybody gets one.
async fn order(
    client: Client,
    product: fluxgate_domain::ids::ProductId,
    person: Person,
) -> Result<bool> {
    let user = user_id(person.number);
    let answer = client
        .order_with(&product, &user, "key", &person.text)
        .await?;
    match answer {
        (202, _) => Ok(true),
        (409, problem) if problem["code"] == "sold_out" => Ok(false),
        (status, body) => bail!("{user} in their turn: {status} {body}"),
    }
}

fn ordered(done: Option<Result<Result<bool>, tokio::task::JoinError>>) -> Result<()> {
    done.context("an order is under way")??.map(|_| ())
}
