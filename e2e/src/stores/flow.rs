//! Waiting for the flow to come to rest, and judging what it left.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::Stores;
use crate::history::History;
use crate::order::Sale;
use crate::truth::{Lag, Truth};
use crate::until::until;
use crate::verdict::{Fault, verdict};

/// Faults that are spelled out; the rest are counted.
const FAULTS_SHOWN: usize = 20;

/// Where each partition of the topic ended at some moment. What others order later does not count: in a
/// deployment that is in use, the log never comes to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends(HashMap<i32, i64>);

impl Ends {
    /// Records between what was reached and these ends; also those that the log does not have any more.
    fn missing(&self, reached: &HashMap<i32, i64>, now: &Self) -> i64 {
        let missing = |(partition, end): (&i32, &i64)| {
            let reached = reached.get(partition).copied().unwrap_or(0);
            let now = now.0.get(partition).copied().unwrap_or(0);
            (end - reached).max(reached - now).max(0)
        };
        self.0.iter().map(missing).sum()
    }
}

impl Stores {
    /// Waits until every event of these sales is in PostgreSQL: nothing in their outboxes, nothing on
    /// the topic unread.
    ///
    /// # Errors
    /// When that does not come true within `limit`.
    pub async fn written(&self, sales: &[Sale], limit: Duration) -> Result<Ends> {
        self.past_the_ends("everything is written", sales, limit, |lag| {
            lag.unwritten == 0
        })
        .await
    }

    /// Waits until everything is written and Kafka knows it.
    ///
    /// # Errors
    /// When that does not come true within `limit`.
    pub async fn drained(&self, sales: &[Sale], limit: Duration) -> Result<Ends> {
        let what = "everything is written and committed";
        let at_rest = |lag| lag == Lag::default();
        self.past_the_ends(what, sales, limit, at_rest).await
    }

    /// In the order of the flow: what has left an outbox is on the log when the log's ends are read.
    async fn past_the_ends(
        &self,
        what: &str,
        sales: &[Sale],
        limit: Duration,
        enough: impl Fn(Lag) -> bool,
    ) -> Result<Ends> {
        let deadline = Instant::now() + limit;
        let ends = until(what, limit, async || {
            self.expect_empty_outboxes(sales).await?;
            self.ends().await
        })
        .await?;
        let left = deadline.saturating_duration_since(Instant::now());
        until(what, left, async || {
            let lag = self.lag(&ends).await?;
            ensure!(enough(lag), "{lag:?}");
            Ok(())
        })
        .await?;
        Ok(ends)
    }

    /// # Errors
    /// When an outbox of these sales holds something, or Redis does not answer.
    pub async fn expect_empty_outboxes(&self, sales: &[Sale]) -> Result<()> {
        for sale in sales {
            let shelf = self.gate.shelf(&sale.product).await?;
            let waiting = shelf.map_or(0, |shelf| shelf.outbox);
            ensure!(
                waiting == 0,
                "{waiting} entries in the outbox of {}",
                sale.product
            );
        }
        Ok(())
    }

    /// Where the log ends now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn ends(&self) -> Result<Ends> {
        Ok(Ends(self.log.ends().await?))
    }

    /// What the workers have still to do of what lies before `ends`.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn lag(&self, ends: &Ends) -> Result<Lag> {
        let written = self.database.positions(self.log.topic()).await?;
        let committed = self.log.committed().await?;
        // Read last: who is past it has read a log that is lost.
        let now = self.ends().await?;
        Ok(Lag {
            unwritten: ends.missing(&written, &now),
            uncommitted: ends.missing(&committed, &now),
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
        self.truth_before(sale, &self.ends().await?).await
    }

    /// The same where others order meanwhile: what they have put on the log behind `ends` does not
    /// count as unread.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn truth_before(&self, sale: &Sale, ends: &Ends) -> Result<Truth> {
        let product = sale.product.as_str();
        Ok(Truth {
            shelf: self.gate.shelf(&sale.product).await?,
            lag: self.lag(ends).await?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_ends_does_not_count_and_what_the_log_lost_does() {
        let all = |offsets: [i64; 3]| (0..).zip(offsets).collect::<HashMap<i32, i64>>();
        let ends = Ends(all([10, 10, 10]));
        let now = Ends(all([15, 15, 10]));
        assert_eq!(ends.missing(&all([10, 12, 10]), &now), 0);
        assert_eq!(ends.missing(&all([7, 12, 10]), &now), 3);
        assert_eq!(ends.missing(&all([10, 10, 12]), &now), 2);
        assert_eq!(ends.missing(&HashMap::new(), &now), 30);
    }
}
