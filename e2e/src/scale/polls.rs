//! Crowds poll the queue of a sale through nginx, as `docker/nginx.conf` configures it: it answers them itself, and passes on what
//! concerns one buyer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::Plan;
use super::nginx::{Configuration, Nginx};
use crate::client::{Client, read_json};
use crate::order::{Sale, user_id};
use crate::process::Process;
use crate::queue::{QueuedSale, SETTINGS};
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};
use crate::wait::wait_until;

const INSTANCES: usize = 2;
const UNITS: u32 = 100;
/// Polls of one sale that may reach the instances per second, however many come.
const REACH_MAX: f64 = 2.0;
/// nginx counts `max-age` and `stale-while-revalidate` in whole seconds, and an instance renews the state four times a second.
const OLDEST: Duration = Duration::from_secs(5);
/// Each poller waits so many ms after an answer: five times less than `pollAfterMs` says.
const PAUSE_MS: std::ops::Range<u64> = 500..1_500;
/// Longest until the queue shows what was asked for, or an event comes.
const LIMIT: Duration = Duration::from_secs(10);
const BUYERS: u32 = 20;

/// The instances, and a caller of nginx in front of them.
struct Front {
    instances: Vec<Process>,
    client: Client,
    _nginx: Nginx,
    _worker: Process,
}

/// The answers to one crowd.
struct Polled {
    polls: usize,
    seconds: f64,
    reached: u64,
    oldest: Duration,
    p99: Duration,
}

/// Polls a queue with each of these crowds, and checks that nginx passes on everything else; returns a table in Markdown.
///
/// # Errors
/// When too much reached the instances, or an answer was wrong or too old.
pub async fn run(sandbox: &Sandbox, plan: &Plan, crowds: &[u32]) -> Result<String> {
    let front = Front::start(sandbox).await?;
    let mut rows = Vec::new();
    for crowd in crowds.iter().copied() {
        // Of a new sale, nginx has nothing yet when all of them come.
        let sale = front.open().await?;
        let polled = front.poll(&sale, crowd, plan.hold()).await?;
        rows.push(polled.row(crowd)?);
    }
    let sale = front.open().await?;
    front.caches_the_page(&sale).await?;
    front.passes_on_buyers(&sale).await?;
    front.passes_on_events(&sale).await?;
    let header = [
        "pollers",
        "polls per second",
        "of these, reached an instance",
        "oldest state, s",
        "p99, ms",
    ];
    Ok(markdown(header, &rows))
}

impl Front {
    async fn start(sandbox: &Sandbox) -> Result<Self> {
        let worker = sandbox.worker().await?;
        let instances = (0..INSTANCES).map(|_| sandbox.api_with(&SETTINGS));
        let instances = try_join_all(instances).await?;
        let nginx = Nginx::start(&instances, Configuration::Shipped, sandbox.folder()).await?;
        Ok(Self {
            instances,
            client: Client::new(nginx.url())?,
            _nginx: nginx,
            _worker: worker,
        })
    }

    /// Opens a sale with a queue, and waits for its start.
    async fn open(&self) -> Result<Sale> {
        let (clients, queue) = (vec![self.client.clone()], json!({"admitPerSecond": 100}));
        let opened = QueuedSale::open(clients, UNITS, Duration::from_secs(1), queue).await?;
        let sale = opened.sale;
        // Of the instances: nginx shall not know it yet.
        let instance = self.instances[0].client()?;
        wait_until("the sale is open", LIMIT, async || {
            let (_, state) = instance.queue_state(&sale.product).await?;
            ensure!(state["state"] == "open", "{state}");
            Ok(())
        })
        .await?;
        Ok(sale)
    }

    /// Requests that all instances together have answered on a route.
    async fn answered(&self, route: &str) -> Result<u64> {
        let series = format!("ingest_api_http_requests_total{{route=\"{route}\",");
        let mut sum = 0.0;
        for instance in &self.instances {
            let metrics = instance.client()?.metrics().await?;
            let lines = metrics.lines().filter(|line| line.starts_with(&series));
            let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            sum += counts.sum::<f64>();
        }
        Ok(sum as u64)
    }

    async fn poll(&self, sale: &Sale, pollers: u32, time: Duration) -> Result<Polled> {
        let (before, begin) = (self.answered("/queue/{id}").await?, Instant::now());
        let polling = (0..pollers).map(|number| self.poller(sale, number, begin + time));
        let answers: Vec<_> = try_join_all(polling).await?.into_iter().flatten().collect();
        let seconds = begin.elapsed().as_secs_f64();
        let reached = self.answered("/queue/{id}").await? - before;
        let (ages, mut latencies): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        latencies.sort_unstable();
        let p99 = latencies.get(latencies.len() * 99 / 100).copied();
        Ok(Polled {
            polls: latencies.len(),
            seconds,
            reached,
            oldest: ages.into_iter().max().unwrap_or_default(),
            p99: p99.unwrap_or_default(),
        })
    }

    /// How old each state was that somebody was answered, and how long the answer took. Each asks with a query of their own.
    async fn poller(
        &self,
        sale: &Sale,
        number: u32,
        end: Instant,
    ) -> Result<Vec<(Duration, Duration)>> {
        let path = format!("/queue/{}?poller={number}", sale.product);
        let mut answers = Vec::new();
        while Instant::now() < end {
            let asked = Instant::now();
            let (status, state) = read_json(self.client.get(&path).await?).await?;
            ensure!(status == 200, "a poll: {status} {state}");
            let read_at: Timestamp = state["now"].as_str().context("now")?.parse()?;
            let age = Timestamp::now().duration_since(read_at);
            answers.push((Duration::try_from(age).unwrap_or_default(), asked.elapsed()));
            sleep(Duration::from_millis(fastrand::u64(PAUSE_MS))).await;
        }
        Ok(answers)
    }

    /// The page and what it loads come from an instance once.
    async fn caches_the_page(&self, sale: &Sale) -> Result<()> {
        let page = format!("/sales/{}", sale.product);
        let html = self.client.get(&page).await?.text().await?;
        let script = html.split('"').find(|it| it.starts_with("/assets/"));
        let script = script.context("a page loads something")?;
        for (path, route) in [
            (page.as_str(), "/sales/{id}"),
            (script, "/assets/{version}/{name}"),
        ] {
            self.client.get(path).await?;
            let before = self.answered(route).await?;
            let answer = self.client.get(path).await?;
            let cached = answer.headers().get("x-cache-status");
            ensure!(cached.is_some_and(|it| it == "HIT"), "{path}: {answer:?}");
            ensure!(answer.status() == 200, "{path}: {answer:?}");
            ensure!(
                self.answered(route).await? == before,
                "{path} was passed on"
            );
        }
        Ok(())
    }

    /// What concerns one buyer, or may not be old, is asked of an instance each time.
    async fn passes_on_buyers(&self, sale: &Sale) -> Result<()> {
        let product = &sale.product;
        let before = self.answered("/queue/{id}").await?;
        let mut tickets = Vec::new();
        for buyer in 0..BUYERS {
            let (status, joined) = self.client.join_queue(product, &user_id(buyer)).await?;
            ensure!(status == 201, "joining: {status} {joined}");
            let ticket = joined["ticket"].as_str().context("a ticket")?.to_owned();
            ensure!(!tickets.contains(&ticket), "the ticket of somebody else");
            tickets.push(ticket);
        }
        let joins = self.answered("/queue/{id}").await? - before;
        ensure!(joins == u64::from(BUYERS), "{joins} joins were passed on");

        let before = self.answered("/queue/{id}/place").await?;
        for (number, ticket) in (1..).zip(&tickets) {
            let (status, place) = self.client.queue_place(product, ticket).await?;
            ensure!(status == 200 && place["number"] == number, "{place}");
        }
        let places = self.answered("/queue/{id}/place").await? - before;
        ensure!(
            places == u64::from(BUYERS),
            "{places} places were passed on"
        );

        let id = self.order_in_turn(sale, &tickets[0], 0).await?;
        for (path, route) in [
            (format!("/orders/{id}"), "/orders/{id}"),
            (format!("/products/{product}"), "/products/{id}"),
        ] {
            let before = self.answered(route).await?;
            for _ in 0..BUYERS {
                self.client.get(&path).await?.error_for_status()?;
            }
            let passed = self.answered(route).await? - before;
            ensure!(passed == u64::from(BUYERS), "{passed} of {path}");
        }
        Ok(())
    }

    /// Orders as soon as it is the buyer's turn; returns the order's id.
    async fn order_in_turn(&self, sale: &Sale, ticket: &str, buyer: u32) -> Result<String> {
        let (product, user) = (&sale.product, user_id(buyer));
        wait_until("an order is taken", LIMIT, async || {
            let order = self.client.order_with(product, &user, "key", ticket);
            let (status, order): (u16, Value) = order.await?;
            ensure!(status == 202, "{status} {order}");
            Ok(order["orderId"].as_str().context("an id")?.to_owned())
        })
        .await
    }

    /// An event reaches a client while its stream goes on.
    async fn passes_on_events(&self, sale: &Sale) -> Result<()> {
        let path = format!("/products/{}/events", sale.product);
        let mut stream = self.client.get(&path).await?;
        let mut shown = String::new();
        let mut show = async |remaining: u32| {
            let wanted = format!("\"remaining\":{remaining},");
            while !shown.contains(&wanted) {
                let part = timeout(LIMIT, stream.chunk()).await;
                let part = part.with_context(|| format!("no event after {shown}"))??;
                let part = part.with_context(|| format!("the stream has ended after {shown}"))?;
                shown.push_str(str::from_utf8(&part)?);
            }
            anyhow::Ok(())
        };
        show(UNITS - 1).await?;
        let (status, joined) = self
            .client
            .join_queue(&sale.product, &user_id(BUYERS))
            .await?;
        ensure!(status == 201, "joining: {status} {joined}");
        let ticket = joined["ticket"].as_str().context("a ticket")?;
        self.order_in_turn(sale, ticket, BUYERS).await?;
        show(UNITS - 2).await
    }
}

impl Polled {
    fn row(&self, pollers: u32) -> Result<[String; 5]> {
        let reached = self.reached as f64 / self.seconds;
        ensure!(
            reached <= REACH_MAX,
            "{reached:.2} polls a second reached the instances with {pollers} pollers"
        );
        ensure!(self.oldest <= OLDEST, "a state was {:?} old", self.oldest);
        Ok([
            thousands(pollers),
            format!("{:.0}", self.polls as f64 / self.seconds),
            format!("{reached:.2}"),
            format!("{:.1}", self.oldest.as_secs_f64()),
            format!("{:.1}", self.p99.as_secs_f64() * 1_000.0),
        ])
    }
}
