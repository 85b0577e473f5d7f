//! A sale with a queue in the middle of a run, with a crowd of its own that joins, waits and orders.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::queue::{QueuePosition, Thresholds};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::environment::Environment;
use super::queue_watch::QueueWatch;
use super::queued_order::{Answer, ask, order};
use crate::answer::Status;
use crate::client::{ADMIN_TOKEN, Client};
use crate::order::user_id;
use crate::queue::{Person, QueuedSale, thresholds};
use crate::wait::wait_until;

/// People who join at the same time, and the time between them and the next ones.
const JOINING: usize = 8;
const BETWEEN: Duration = Duration::from_millis(100);
/// People whose places are looked at.
const LOOKED_AT: usize = 10;
/// Longest that somebody waits for an answer, so that a frozen instance does not hold the crowd.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for anything.
pub(super) const LIMIT: Duration = Duration::from_secs(90);
/// Between two looks at the queue.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest until every instance has seen what another one has done to the queue.
pub const SEEN: Duration = Duration::from_millis(600);

pub struct QueuedCrowd {
    pub queue: QueuedSale,
    pub watch: QueueWatch,
    people: Vec<Person>,
    /// When each of them had their ticket.
    joined_at: Vec<Instant>,
    waiting: Vec<Person>,
    placed: HashMap<u32, Placed>,
    rng: fastrand::Rng,
}

/// An order that was answered 202.
struct Placed {
    person: Person,
    id: OrderId,
    status: Status,
}

impl QueuedCrowd {
    /// Opens a sale whose queue has these terms and starts in `starts_in`.
    pub async fn open(
        env: &mut Environment,
        units: u32,
        starts_in: Duration,
        queue: Value,
    ) -> Result<Self> {
        let urls = env.apis.iter().map(|api| api.url());
        let clients = urls.map(|url| Client::with(url, ADMIN_TOKEN, TIMEOUT));
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let mut tries = 0;
        let queue = wait_until("a sale with a queue is open", LIMIT, async || {
            tries += 1;
            QueuedSale::open(clients.clone(), units, starts_in, queue.clone()).await
        })
        .await?;
        env.mark(&format!("the sale with a queue is {}", queue.sale.product));
        Ok(Self {
            watch: QueueWatch::new(&queue).await?,
            queue,
            people: Vec::new(),
            joined_at: Vec::new(),
            waiting: Vec::new(),
            placed: HashMap::new(),
            rng: env.rng.fork(),
        })
    }

    /// Lets people join before the start, each at one instance after the other until one answers.
    pub async fn join_early(&mut self, numbers: Range<u32>) -> Result<()> {
        let from = self.people.len();
        self.join(numbers).await?;
        let mut joined = self.people[from..].iter();
        let late = joined.find(|it| it.ticket.number.is_some());
        ensure!(late.is_none(), "joined after the start: {late:?}");
        Ok(())
    }

    /// Lets people join. Once the sale has started, nobody may get an early place.
    pub async fn join(&mut self, numbers: Range<u32>) -> Result<()> {
        let numbers: Vec<u32> = numbers.collect();
        for some in numbers.chunks(JOINING) {
            self.look(some[0] as usize).await?;
            let is_started = self.watch.is_started();
            let joined = some.iter().map(|number| join(&self.queue, *number));
            for person in try_join_all(joined).await? {
                let is_early = person.ticket.number.is_none();
                ensure!(
                    !(is_started && is_early),
                    "an early place after the start: {person:?}"
                );
                self.joined_at.push(Instant::now());
                self.waiting.push(person.clone());
                self.people.push(person);
            }
            sleep(BETWEEN).await;
        }
        Ok(())
    }

    /// Every instance must let people keep their places, once it answers.
    pub async fn expect_places(&mut self) -> Result<()> {
        for _ in 0..LOOKED_AT {
            let person = self.rng.choice(&self.waiting).context("nobody waits")?;
            let (product, user) = (&self.queue.sale.product, user_id(person.number));
            for client in &self.queue.clients {
                let kept = wait_until("an instance answers", LIMIT, async || {
                    let known = client.join_queue_with(product, &user, &person.text);
                    let (status, answer) = known.await?;
                    ensure!(status != 503, "{answer}");
                    Ok(status == 200 && answer["ticket"] == *person.text)
                });
                ensure!(kept.await?, "{person:?} has lost their place");
            }
        }
        Ok(())
    }

    /// Everybody joins again without a ticket, before the start: they must get the same one.
    pub async fn join_again(&self) -> Result<()> {
        for some in self.people.chunks(JOINING) {
            let joined = some.iter().map(|it| join(&self.queue, it.number));
            let joined = try_join_all(joined).await?;
            ensure!(joined == some, "{joined:?} had other tickets: {some:?}");
        }
        Ok(())
    }

    /// Everybody who has joined.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Waits until an instance shows that the sale has started.
    pub async fn until_started(&mut self) -> Result<()> {
        self.queue.start().await;
        wait_until("the sale starts", LIMIT, async || {
            self.look(0).await?;
            ensure!(self.watch.is_started(), "it has not");
            Ok(())
        })
        .await
    }

    /// The state of the queue, as an instance shows it. `None` if it does not.
    pub async fn look(&mut self, instance: usize) -> Result<Option<Value>> {
        let Ok(state) = self.queue.state(instance).await else {
            return Ok(None);
        };
        self.watch.observe(instance, &state)?;
        Ok(Some(state))
    }

    /// Follows the queue until everybody had their turn or nothing is left: people order in their turns, some try before, and
    /// others still join.
    pub async fn follow(&mut self, mut late: Range<u32>) -> Result<()> {
        self.queue.start().await;
        let mut orders = JoinSet::new();
        let (mut looks, mut moved, mut is_over) = (0, Instant::now(), false);
        while !is_over || !orders.is_empty() {
            looks += 1;
            let joining = late.start..late.end.min(late.start + JOINING as u32);
            late.start = joining.end;
            self.join(joining).await?;
            if let Some(state) = self.look(looks).await? {
                let served = thresholds(&state)?;
                for person in self.due(served, !state["seed"].is_null()) {
                    orders.spawn(order(self.queue.clone(), person));
                    moved = Instant::now();
                }
                is_over = state["remaining"] == 0 || (self.waiting.is_empty() && late.is_empty());
            }
            self.try_too_early(looks).await?;
            while let Some(done) = orders.try_join_next() {
                let (person, answer) = done??;
                self.note(person, answer);
            }
            ensure!(moved.elapsed() < LIMIT, "nobody is let through");
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Takes out those whose turns have begun, once the seed is shown.
    fn due(&mut self, served: Thresholds, is_seed_shown: bool) -> Vec<Person> {
        let seed = self.queue.seed();
        let is_due = |person: &mut Person| {
            is_seed_shown && served.have_passed(QueuePosition::of(&person.ticket, &seed))
        };
        self.waiting.extract_if(.., is_due).collect()
    }

    /// Somebody who waits orders at an instance. If the order is taken, their turn must have begun.
    async fn try_too_early(&mut self, instance: usize) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.usize(..self.waiting.len());
        let person = self.waiting[chosen].clone();
        let answer = ask(&self.queue, instance, &person).await?;
        if let Answer::Placed(..) = answer {
            let served = wait_until("an instance shows the queue", LIMIT, async || {
                thresholds(&self.queue.state(instance).await?)
            })
            .await?;
            let position = self.queue.position(&person.ticket);
            ensure!(
                served.have_passed(position),
                "{person:?} ordered before their turn: {served:?}"
            );
            self.waiting.swap_remove(chosen);
            self.note(person, answer);
        }
        Ok(())
    }

    fn note(&mut self, person: Person, answer: Answer) {
        if let Answer::Placed(id, status) = answer {
            let placed = Placed { person, id, status };
            self.placed.insert(placed.person.number, placed);
        }
    }

    /// Compares what the crowd was told with the stores. `lost_at`: when Redis lost writes.
    pub async fn expect_right(&self, env: &Environment, lost_at: Option<Instant>) -> Result<()> {
        self.expect_own_numbers(lost_at)?;
        let early = self.people.iter().filter(|it| it.ticket.number.is_none());
        self.watch.expect_joined(early.count())?;
        let stores = &env.sandbox.stores;
        let sales = std::slice::from_ref(&self.queue.sale);
        stores.written(sales, LIMIT).await?;
        let contents = stores.contents(&self.queue.sale).await?;
        let rows = contents.rows.iter();
        let sold: Vec<_> = rows.filter(|it| it.status == Status::Confirmed).collect();
        let ids: HashSet<_> = sold.iter().map(|it| it.id).collect();
        let buyers: HashSet<_> = sold.iter().map(|it| it.buyer).collect();
        ensure!(buyers.len() == sold.len(), "somebody bought twice");
        let mut lost = 0;
        for placed in self.placed.values().filter(|it| !ids.contains(&it.id)) {
            // The stated exception: orders that only Redis had.
            let may_be = lost_at.is_some() && placed.status == Status::Reserved;
            ensure!(may_be, "the order of {:?} is lost", placed.person);
            lost += 1;
        }
        let wanted = (self.queue.sale.total as usize).min(self.people.len());
        let is_exact = sold.len() <= wanted && sold.len() + lost >= wanted;
        ensure!(is_exact, "{} of {wanted} units are sold", sold.len());
        let redis = contents.redis.context("Redis does not have the sale")?;
        let ledger = contents.ledger.context("the ledger has no such sale")?;
        let left = i64::from(self.queue.sale.total) - sold.len() as i64;
        ensure!(
            redis.remaining == left && ledger.sold == sold.len() as i64,
            "{left} units are left: {redis:?}, {ledger:?}"
        );
        Ok(())
    }

    /// No number may be given twice, unless Redis lost the first time before another instance had seen it.
    fn expect_own_numbers(&self, lost_at: Option<Instant>) -> Result<()> {
        let mut given: HashMap<_, Instant> = HashMap::new();
        for (person, at) in self.people.iter().zip(&self.joined_at) {
            let Some(number) = person.ticket.number else {
                continue;
            };
            if let Some(before) = given.insert(number, *at) {
                let is_unseen = lost_at.is_some_and(|lost| before + SEEN > lost && lost < *at);
                ensure!(is_unseen, "number {number} was given twice");
            }
        }
        Ok(())
    }
}

async fn join(queue: &QueuedSale, number: u32) -> Result<Person> {
    let mut instance = number as usize;
    wait_until("somebody joins", LIMIT, async || {
        instance += 1;
        queue.join(instance, number).await
    })
    .await
}
