//! The limits of a sale under load, as real processes over real stores: what was sold is read from the rows, whose times are of
//! Redis's clock.
//!
//! | module | holds |
//! |---|---|
//! | [`rate`] | `ordersPerSecond`: no window has more orders than the rate allows, and hardly fewer are taken |
//! | [`windows`] | `ordersPerUser`: exactly so many orders of each user in each window |
//! | [`invented`] | tries of users whom nobody knows: what they leave in Redis and in the instances |
//! | `offer` | orders of any users at a constant rate, to all instances in turn |

pub mod invented;
mod offer;
pub mod rate;
pub mod windows;

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::{Parser, ValueEnum};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::client::Client;
use crate::order::Sale;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::stack::Stack;
use crate::stores::Placed;

/// Instances of the API that are offered the orders.
const INSTANCES: usize = 4;
/// More than any run takes.
const UNITS_ENOUGH: u32 = 100_000_000;
/// Longest that writing the rest of the orders may take.
const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// A part of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// `ordersPerSecond`.
    Rate,
    /// `ordersPerUser`.
    Windows,
    /// Memory after the tries of invented users.
    Invented,
}

/// Offers orders to four instances of the API and checks that each limit of a sale holds; prints tables in Markdown.
#[derive(Debug, Clone, Parser)]
#[command(name = "limits")]
pub struct Plan {
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["rate", "windows", "invented"])]
    pub only: Vec<Part>,

    /// Orders offered per second
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    pub offered: u32,

    /// Seconds for which they are offered
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=600))]
    pub seconds: u32,

    /// Invented users
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub users: u32,
}

/// Runs the plan and prints a table for each part.
///
/// # Errors
/// When a limit did not hold, a part did not finish, or a signal stopped it.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<String> {
    let stack = Stack::from_env().map_err(|error| anyhow!("{error}: run `make limits`"))?;
    for part in &plan.only {
        let table = Sandbox::within(&stack, async |sandbox| match part {
            Part::Rate => rate::run(sandbox, plan).await,
            Part::Windows => windows::run(sandbox, plan).await,
            Part::Invented => invented::run(sandbox, plan).await,
        });
        println!("{}\n", table.await?);
    }
    Ok("every limit held".to_owned())
}

/// A sale with limits, and the processes that sell it.
struct LimitedSale<'a> {
    sandbox: &'a Sandbox,
    sale: Sale,
    instances: Vec<Process>,
    clients: Vec<Client>,
    _worker: Process,
}

impl<'a> LimitedSale<'a> {
    /// Opens a sale with these terms beside its quantity; the instances have `more` settings.
    async fn open(sandbox: &'a Sandbox, terms: Value, more: &[(&str, &str)]) -> Result<Self> {
        let worker = sandbox.worker().await?;
        let settings = [&[("SALE_FEATURES", "limits")], more].concat();
        let instances = (0..INSTANCES).map(|_| sandbox.api_with(&settings));
        let instances = try_join_all(instances).await?;
        let clients = instances.iter().map(Process::client);
        let clients: Vec<_> = clients.collect::<Result<_>>()?;
        let sale = Sale::unique("limited", UNITS_ENOUGH)?;
        let mut all = json!({"quantity": sale.total});
        for (term, value) in terms.as_object().into_iter().flatten() {
            all[term] = value.clone();
        }
        let (status, view) = clients[0].put_terms(&sale.product, &all).await?;
        ensure!(status == 201, "opening the sale: {status} {view}");
        Ok(Self {
            sandbox,
            sale,
            instances,
            clients,
            _worker: worker,
        })
    }

    /// Waits until every order is a row; the rows in the order in which they were placed.
    async fn placed(&self) -> Result<Vec<Placed>> {
        let (stores, sales) = (&self.sandbox.stores, std::slice::from_ref(&self.sale));
        stores.written(sales, WRITE_LIMIT).await?;
        stores.postgres.placed(self.sale.product.as_str()).await
    }
}
