//! A crowd polls the queue of a sale while orders are placed. A bare handler that answers the same bytes is polled in turn with it,
//! beside the same orders.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::client::ADMIN_TOKEN;
use e2e::process::Process;
use e2e::wait::wait_until;
use serde_json::json;
use tokio::try_join;

use super::Bench;
use super::bench::sampled;
use super::queued_sale::QueuedSale;
use crate::lab::STOP_LIMIT;
use crate::load::connection::Connection;
use crate::load::{Requests, Tally, closed, connect, constant_over, soon};
use crate::measure::processes::{ByPart, Part};
use crate::measure::{Latency, Measurement};

const POLLS_PER_SECOND: u32 = 20_000;
const ORDERS_PER_SECOND: u32 = 500;
const ORDER_CONNECTIONS: usize = 64;
/// How often each of the two is polled, for some seconds each time.
const TURNS: u32 = 3;
/// The scenario fails if a poll costs more CPU, or has a higher p99, than this multiple of the bare handler's.
const CPU_MAX: f64 = 1.2;
const P99_MAX: f64 = 3.0;

/// The queue moves all the time, and its document has as many entries of `recent` as any.
const STARTS_IN: Duration = Duration::from_secs(2);
const PEOPLE: u32 = 20_000;
const ADMIT_PER_SECOND: u32 = 100;
const TURN_SECONDS: u32 = 30;
const RECENT: usize = 60;
const RECENT_LIMIT: Duration = Duration::from_secs(120);
const JOIN_LIMIT: Duration = Duration::from_secs(60);

/// What the answers to polls cost.
#[derive(Default)]
struct Polled {
    polls: Tally,
    cpu_us: ByPart,
}

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let mut sale = moving_sale(bench).await?;
    let (mut of_api, mut of_bare) = (Polled::default(), Polled::default());
    let mut bytes = 0;
    for turn in 0..TURNS {
        bytes = show_same(bench, &sale).await?;
        let mut both = [(&sale.api, &mut of_api), (&bench.side.bare, &mut of_bare)];
        if (bench.round + turn).is_multiple_of(2) {
            both.reverse();
        }
        for (part, (service, polled)) in ["first", "second"].into_iter().zip(both) {
            let run = format!("{}-{turn}-{part}", sale.product);
            polled.poll(bench, &sale, service, run).await?;
        }
    }
    sale.api.stop(STOP_LIMIT).await?;
    Ok(compared(of_api, of_bare, bytes))
}

/// A sale whose queue has moved for so long that its document no longer grows.
async fn moving_sale(bench: &Bench<'_>) -> Result<QueuedSale> {
    let queue = json!({"admitPerSecond": ADMIT_PER_SECOND, "turnSeconds": TURN_SECONDS});
    let sale = QueuedSale::open(bench, STARTS_IN, queue).await?;
    sale.started().await?;
    let over = (sale.api.address()?, ORDER_CONNECTIONS);
    let joins = Requests::joins(sale.product.as_str(), PEOPLE.into());
    let joined = closed(over, JOIN_LIMIT, joins).await?;
    ensure!(joined.errors == 0, "joining: {:?}", joined.wrong);
    wait_until("the queue has moved", RECENT_LIMIT, async || {
        let state = sale.state().await?;
        let recent = state["recent"].as_array().map_or(0, Vec::len);
        ensure!(recent >= RECENT, "{recent} entries of `recent`");
        Ok(())
    })
    .await?;
    Ok(sale)
}

/// Gives the bare handler what the API answers now; returns its length in bytes.
async fn show_same(bench: &Bench<'_>, sale: &QueuedSale) -> Result<usize> {
    let mut api = Connection::new(None, sale.api.address()?);
    let mut request = String::new();
    Requests::queue(sale.product.as_str()).write(0, api.address, &mut request);
    let document = api.ask(request.as_bytes()).await?.body.to_owned();
    let mut bare = Connection::new(None, bench.side.bare.address()?);
    let request = format!(
        "PUT /queue/{} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{document}",
        sale.product,
        bare.address,
        document.len()
    );
    let answer = bare.ask(request.as_bytes()).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(document.len())
}

impl Polled {
    /// Polls a service for some seconds, while the API takes orders of admin calls, which need no turn.
    async fn poll(
        &mut self,
        bench: &Bench<'_>,
        sale: &QueuedSale,
        service: &Process,
        run: String,
    ) -> Result<()> {
        let product = sale.product.as_str();
        let token = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
        let mut orders = Requests::orders(vec![product.to_owned()], &run);
        orders.user_headers = vec![token; orders.users as usize];
        let (polling, ordering) = try_join!(
            connect(service.address()?, bench.size() as usize),
            connect(sale.api.address()?, ORDER_CONNECTIONS),
        )?;
        let polls = soon(
            bench.per_second.unwrap_or(POLLS_PER_SECOND),
            bench.seconds(),
        );
        let ordered = soon(ORDERS_PER_SECOND, bench.seconds());
        let both = async {
            try_join!(
                constant_over(polling, polls, Requests::queue(product)),
                constant_over(ordering, ordered, orders),
            )
        };
        let ((polled, ordered), cpu_us) = sampled(&sale.watched(bench)?, both).await?;
        ensure!(ordered.errors == 0, "an order: {:?}", ordered.wrong);
        self.polls.add(polled);
        for (part, us) in cpu_us {
            *self.cpu_us.entry(part).or_default() += us;
        }
        Ok(())
    }

    fn cpu_us(&self, part: Part) -> f64 {
        self.cpu_us.get(&part).copied().unwrap_or_default() as f64
    }
}

/// The API's polls beside those of the bare handler. While that is polled, the API's CPU is that of the orders.
fn compared(of_api: Polled, of_bare: Polled, bytes: usize) -> Measurement {
    let polls = of_api.polls.count as f64;
    let api_us = (of_api.cpu_us(Part::Api) - of_bare.cpu_us(Part::Api)) / polls;
    let bare_us = of_bare.cpu_us(Part::Bare) / of_bare.polls.count as f64;
    let mut measured = Measurement {
        count: of_api.polls.count,
        seconds: of_api.polls.seconds * f64::from(TURNS),
        errors: of_api.polls.errors + of_bare.polls.errors,
        latency_ms: Latency::of_us(of_api.polls.latencies_us),
        cpu_us: of_api.cpu_us,
        ..Measurement::default()
    };
    if let Some(wrong) = of_api.polls.wrong.or(of_bare.polls.wrong) {
        eprintln!("bench: a wrong answer: {wrong}");
    }
    measured.add("bytes of the document", bytes as f64);
    measured.add("CPU us per poll: API", api_us);
    measured.add("CPU us per poll: bare", bare_us);
    measured.add_limited("CPU per poll, x bare", api_us / bare_us, CPU_MAX);
    let bare = Latency::of_us(of_bare.polls.latencies_us);
    if let Some((api, bare)) = measured.latency_ms.zip(bare) {
        measured.add("p50 ms: bare", bare.p50);
        measured.add("p99 ms: bare", bare.p99);
        measured.add_limited("p99, x bare", api.p99 / bare.p99, P99_MAX);
    }
    measured
}
