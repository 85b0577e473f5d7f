//! Waiting for the flow to come to rest, and judging what it left.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Sandbox;
use crate::history::History;
use crate::order::Sale;
use crate::truth::{Lag, Truth};
use crate::until::until;
use crate::verdict::{Fault, verdict};

/// Faults that are spelled out; the rest are counted.
const FAULTS_SHOWN: usize = 20;

impl Sandbox {
    /// Waits until every event of these sales is in PostgreSQL: nothing in their outboxes, nothing on
    /// the topic unread.
    ///
    /// # Errors
    /// When that does not come true within `limit`.
    pub async fn written(&self, sales: &[Sale], limit: Duration) -> Result<()> {
        until("everything is written", limit, async || {
            let lag = self.rest(sales).await?;
            ensure!(lag.unwritten == 0, "{lag:?}");
            Ok(())
        })
        .await
    }

    /// Waits until everything is written and Kafka knows it.
    ///
    /// # Errors
    /// When that does not come true within `limit`.
    pub async fn drained(&self, sales: &[Sale], limit: Duration) -> Result<()> {
        until("everything is written and committed", limit, async || {
            let lag = self.rest(sales).await?;
            ensure!(lag == Lag::default(), "{lag:?}");
            Ok(())
        })
        .await
    }

    /// What is behind the outboxes, which must be empty: read in the order of the flow, so that what
    /// has left an outbox is on the log when the log's end is read.
    async fn rest(&self, sales: &[Sale]) -> Result<Lag> {
        for sale in sales {
            let shelf = self.gate.shelf(&sale.product).await?;
            let waiting = shelf.map_or(0, |shelf| shelf.outbox);
            ensure!(
                waiting == 0,
                "{waiting} entries in the outbox of {}",
                sale.product
            );
        }
        self.lag().await
    }

    /// What the worker has still to do.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn lag(&self) -> Result<Lag> {
        let ends = self.log.ends().await?;
        let behind = |reached: HashMap<i32, i64>| {
            let reached = |partition| reached.get(partition).copied().unwrap_or(0);
            ends.iter()
                .map(|(partition, end)| end - reached(partition))
                .sum()
        };
        Ok(Lag {
            unwritten: behind(self.database.positions(self.log.topic()).await?),
            uncommitted: behind(self.log.committed().await?),
        })
    }

    /// How many records of each partition are not written, where there are any.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn unwritten(&self) -> Result<BTreeMap<i32, i64>> {
        let written = self.database.positions(self.log.topic()).await?;
        let ends = self.log.ends().await?.into_iter();
        let missing = ends.map(|(partition, end)| {
            let reached = written.get(&partition).copied().unwrap_or(0);
            (partition, end - reached)
        });
        Ok(missing.filter(|(_, missing)| *missing != 0).collect())
    }

    /// What all stores say about a sale.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn truth(&self, sale: &Sale) -> Result<Truth> {
        let product = sale.product.as_str();
        Ok(Truth {
            shelf: self.gate.shelf(&sale.product).await?,
            lag: self.lag().await?,
            rows: self.database.rows(product).await?,
            ledger: self.database.ledger(product).await?,
        })
    }

    /// Waits until everything is written, then holds what the buyers of these sales were told
    /// against what the stores say.
    ///
    /// # Errors
    /// With every fault found, or when it takes longer than `limit`.
    pub async fn expect_right(
        &self,
        sales: &[Sale],
        history: &History,
        limit: Duration,
    ) -> Result<()> {
        self.drained(sales, limit).await?;
        let mut faults = Vec::new();
        for sale in sales {
            faults.extend(verdict(
                sale,
                &history.about(sale),
                &self.truth(sale).await?,
            ));
        }
        let lines: Vec<_> = faults
            .iter()
            .take(FAULTS_SHOWN)
            .map(Fault::to_string)
            .collect();
        ensure!(
            faults.is_empty(),
            "{} faults:\n{}",
            faults.len(),
            lines.join("\n")
        );
        Ok(())
    }
}
