//! A sale whose orders have to be paid, in the middle of a run, with clients and a history of its own.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fluxgate_domain::ids::OrderId;
use tokio::time::sleep_until;

use super::clients;
use super::environment::Environment;
use super::recovery::{not_final, repeat_until_none};
use crate::answer::Status;
use crate::checker::{History, StoreContents, Violation, violations};
use crate::client::ADMIN_TOKEN;
use crate::exchange::{Request, undecided};
use crate::load::caller::Caller;
use crate::load::recorder::Recorder;
use crate::load::{Attempt, Pace, Player};
use crate::order::{Action, Holds, Sale};
use crate::wait::wait_until;

/// Requests at the same time.
const CONNECTIONS: u32 = 64;
/// Tries of a request that is not decided. What is left undecided is repeated in the end.
const TRIES: u8 = 6;
/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest until the last of many orders has expired.
const EXPIRY_LIMIT: Duration = Duration::from_secs(150);

pub struct HeldSale {
    pub sale: Sale,
    pub holds: Holds,
    player: Player,
    caller: Caller,
    /// Whether its numbers have begun anew.
    is_rebuilt: bool,
}

impl HeldSale {
    /// Opens a sale of so many units, whose orders have to be paid within so many seconds and seconds of grace.
    pub async fn open(env: &Environment, units: u32, seconds: u32, grace: u32) -> Result<Self> {
        let urls = env.apis.iter().map(|api| api.url().to_owned()).collect();
        let player = Player {
            pace: Pace::AsAnswered,
            tries: TRIES,
            connections: CONNECTIONS,
            ..clients::player(urls)
        };
        let sale = Sale::unique("held", units)?.with_holds(seconds, grace);
        let recorder = Recorder::new(Instant::now());
        let caller = player.caller(ADMIN_TOKEN, std::slice::from_ref(&sale), recorder)?;
        let client = env.apis[0].client()?;
        wait_until("a sale with holds is open", LIMIT, async || {
            client.open(&sale).await
        })
        .await?;
        env.mark(&format!("the sale with holds is {}", sale.product));
        Ok(Self {
            holds: Holds {
                seconds,
                grace_seconds: grace,
            },
            sale,
            player,
            caller,
            is_rebuilt: false,
        })
    }

    pub async fn rebuild(&mut self, env: &Environment) -> Result<()> {
        env.rebuild([&self.sale.product]).await?;
        self.is_rebuilt = true;
        Ok(())
    }

    /// Asks for all of these over a number of connections, each again while it is not decided.
    pub async fn ask(&self, actions: Vec<Action>) -> Result<()> {
        self.ask_with(&self.player, actions).await
    }

    /// The same, each once.
    pub async fn ask_once(&self, actions: Vec<Action>) -> Result<()> {
        let player = Player {
            tries: 1,
            ..self.player.clone()
        };
        self.ask_with(&player, actions).await
    }

    async fn ask_with(&self, player: &Player, actions: Vec<Action>) -> Result<()> {
        let attempts = (0..).zip(actions).map(|(instance, action)| {
            let request = Request { sale: 0, action };
            Attempt { request, instance }
        });
        let mut running = player.start_with(&self.caller, attempts);
        running.end().await.map(drop)
    }

    /// Places an order of one unit for each of these buyers; the ids of their orders. All of them must get one.
    pub async fn place(&self, buyers: Range<u32>) -> Result<Vec<OrderId>> {
        let orders = buyers.clone().map(order);
        self.ask(orders.collect()).await?;
        let placed: HashMap<u32, OrderId> = self.caller.recorder.look(|all| {
            let placed = all
                .iter()
                .filter_map(|it| Some((it.buyer()?, it.order_id()?)));
            placed.collect()
        });
        let ids: Vec<_> = buyers
            .clone()
            .filter_map(|it| placed.get(&it).copied())
            .collect();
        ensure!(
            ids.len() == buyers.len(),
            "{} of {} buyers got a unit",
            ids.len(),
            buyers.len()
        );
        Ok(ids)
    }

    /// Completes these orders; all of them must be completed in time.
    pub async fn complete(&self, orders: &[OrderId]) -> Result<()> {
        self.ask(orders.iter().copied().map(Action::Complete).collect())
            .await?;
        repeat_until_none(&self.caller, LIMIT, undecided).await;
        let completed = self.caller.recorder.look(|all| {
            let completed = all
                .iter()
                .filter(|it| it.status() == Some(Status::Completed));
            let ids: HashSet<_> = completed.filter_map(|it| it.order_id()).collect();
            orders.iter().filter(|id| ids.contains(id)).count()
        });
        ensure!(
            completed == orders.len(),
            "{completed} of {} orders could be completed",
            orders.len()
        );
        Ok(())
    }

    /// How many rows have this status.
    pub async fn count(&self, env: &Environment, status: Status) -> Result<usize> {
        let postgres = &env.sandbox.stores.postgres;
        let rows = postgres.rows(self.sale.product.as_str()).await?;
        Ok(rows.iter().filter(|row| row.status == status).count())
    }

    /// Waits until every hold of an order that was placed before `placed` has ended, with its grace, for so much longer.
    pub async fn until_ended(&self, placed: Instant, longer: Duration) {
        sleep_until((placed + self.holds.time() + longer).into()).await;
    }

    /// Decides every request that is left, waits until no order is held any more, and compares all answers with the stores.
    ///
    /// # Errors
    /// With every violation.
    pub async fn expect_right(&self, env: &Environment) -> Result<StoreContents> {
        let open = repeat_until_none(&self.caller, LIMIT, undecided).await;
        ensure!(open == 0, "{open} requests about holds are undecided");
        wait_until("no order is held", EXPIRY_LIMIT, async || {
            let held = self.count(env, Status::Confirmed).await?;
            ensure!(held == 0, "{held} are");
            Ok(())
        })
        .await?;
        let stores = &env.sandbox.stores;
        let sales = std::slice::from_ref(&self.sale);
        stores.written(sales, LIMIT).await?;
        repeat_until_none(&self.caller, LIMIT, not_final).await;
        let mut contents = stores.contents(&self.sale).await?;
        // The workers commit offsets to Kafka later, and the other sales go on.
        contents.lag = Default::default();
        let history = History {
            sale: &self.sale,
            number: 0,
            exchanges: &self.caller.recorder.take(),
            expectations: self.player.expectations,
        };
        let mut found = violations(history, &contents);
        found.retain(|it| !(self.is_rebuilt && matches!(it, Violation::SequenceNumbers { .. })));
        let sentences: Vec<_> = found.iter().map(ToString::to_string).collect();
        ensure!(
            found.is_empty(),
            "of the sale with holds: {}",
            sentences.join("; ")
        );
        Ok(contents)
    }
}

/// A buyer's order of one unit.
pub fn order(buyer: u32) -> Action {
    Action::Order { buyer, quantity: 1 }
}
