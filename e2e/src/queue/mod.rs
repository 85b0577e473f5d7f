//! The queue of a sale under load, as real processes over real stores.
//!
//! | module | holds |
//! |---|---|
//! | `sale` | a sale with a queue, and the people in it; the fault runs use it, too |
//! | `crowd` | people who join, follow the queue, and order in their turns |
//! | `order_of_turns` | whether the turns are drawn fairly, and late ones in the order of joining |
//! | `pace` | how fast people were let through, and how good the estimates were |
//! | `refused` | orders before the start, and tickets that must not be accepted |

mod crowd;
mod order_of_turns;
mod pace;
mod refused;
mod sale;

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use futures_util::future::try_join_all;
use serde_json::json;

use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::stack::Stack;
use crate::table::{markdown, thousands};

use crowd::Crowd;
pub use sale::{Person, QueuedSale, SECRET, SETTINGS, number, shown_seed, thresholds};

const INSTANCES: usize = 4;
/// The least seconds for which the units last: until the seed is shown, nobody knows their turn.
const UNITS_LAST_SECONDS: u32 = 8;
/// Longest that writing the rest of the orders may take.
const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// Lets a crowd through the queue of a sale on four instances of the API, and checks the order, the pace and the stock; prints a table
/// in Markdown.
#[derive(Debug, Clone, Parser)]
#[command(name = "queue")]
pub struct Plan {
    /// People who join before the start
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub early: u32,

    /// People who join after it
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub late: u32,

    /// Units for sale
    #[arg(long, default_value_t = 23_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub units: u32,

    /// People let through per second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=10_000))]
    pub admit_per_second: u32,

    /// Seconds from the opening of the sale to its start
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(5..=600))]
    pub join_seconds: u32,

    /// Print the address of the page of the sale, and how the queue moves
    #[arg(long)]
    pub watch: bool,
}

/// Runs the plan and prints its table.
///
/// # Errors
/// When a promise was not kept, the run did not finish, or a signal stopped it.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    ensure!(
        plan.units >= UNITS_LAST_SECONDS * plan.admit_per_second,
        "the units last less than {UNITS_LAST_SECONDS} s: raise --units or lower --admit-per-second"
    );
    let stack = Stack::from_env().map_err(|error| anyhow!("{error}: run `make queue`"))?;
    let table = Sandbox::within(&stack, async |sandbox| run_in(sandbox, plan).await);
    println!("{}\n", table.await?);
    Ok("everybody had their turn".to_owned())
}

/// The processes that sell, and their sale.
struct Running {
    sale: QueuedSale,
    _instances: Vec<Process>,
    _worker: Process,
}

impl Running {
    async fn start(sandbox: &Sandbox, plan: &Plan) -> Result<Self> {
        let worker = sandbox.worker().await?;
        let instances = (0..INSTANCES).map(|_| sandbox.api_with(&SETTINGS));
        let instances = try_join_all(instances).await?;
        let clients = instances.iter().map(Process::client);
        let starts_in = Duration::from_secs(plan.join_seconds.into());
        let queue = json!({"admitPerSecond": plan.admit_per_second, "turnSeconds": 60});
        let clients = clients.collect::<Result<_>>()?;
        let sale = QueuedSale::open(clients, plan.units, starts_in, queue).await?;
        if plan.watch {
            let address = instances[0].url();
            println!(
                "{address}/sales/{} starts at {}",
                sale.sale.product, sale.opens_at
            );
        }
        Ok(Self {
            sale,
            _instances: instances,
            _worker: worker,
        })
    }
}

async fn run_in(sandbox: &Sandbox, plan: &Plan) -> Result<String> {
    let running = Running::start(sandbox, plan).await?;
    let sale = &running.sale;
    let shown = sale.state(0).await?["seedSha256"].clone();
    let mut crowd = Crowd::join_early(sale, plan.early).await?;
    refused::before_the_start(sale, &crowd).await?;
    crowd.follow(sale, plan).await?;

    let state = sale.state(0).await?;
    order_of_turns::check_seed(&state, &shown, sale)?;
    let stores = &sandbox.stores;
    let sales = std::slice::from_ref(&sale.sale);
    stores.written(sales, WRITE_LIMIT).await?;
    let placed = stores.postgres.placed(sale.sale.product.as_str()).await?;
    let sold = placed.len() as u32;
    let people = plan.early + plan.late;
    ensure!(
        sold == plan.units.min(people),
        "{sold} orders of {} units",
        plan.units
    );

    let fairness = order_of_turns::check(&crowd, &placed)?;
    let pace = pace::check(&crowd, &placed, plan)?;
    let table = markdown(
        [
            "joined before the start, after it",
            "units, orders",
            "chi-square by join time, name, instance",
            "late orders out of order by, ms",
            "people per second in any 10 s",
            "error of the estimates",
            "all instances show the sell-out after the first one by, ms",
        ],
        &[[
            format!("{}, {}", thousands(plan.early), thousands(plan.late)),
            format!("{}, {}", thousands(plan.units), thousands(sold)),
            fairness.chi_squares,
            fairness.late_by_ms.to_string(),
            pace.per_second,
            pace.estimate_error,
            crowd
                .sold_out_after
                .map_or_else(|| "-".to_owned(), |it| it.as_millis().to_string()),
        ]],
    );
    Ok(table)
}
