//! Waiting until everything that was ordered is written.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Stores;
use crate::checker::Lag;
use crate::order::Sale;
use crate::wait::wait_until;

/// Where each partition of the topic ended at some moment. In a deployment that is in use the log
/// never comes to rest: what others order later does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends(HashMap<i32, i64>);

impl Ends {
    /// Records between what was reached and these ends; also those that the log has lost.
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
    /// Waits until every event of these sales is in PostgreSQL: no outbox entries, no lag. Each step may take as long as
    /// `limit`.
    pub async fn written(&self, sales: &[Sale], limit: Duration) -> Result<Ends> {
        // In the order of the flow: what has left an outbox is on the topic when its ends are read.
        let ends = wait_until("no outbox has an entry", limit, async || {
            for Sale { product, .. } in sales {
                let held = self.redis.sale(product).await?;
                let entries = held.map_or(0, |it| it.outbox);
                ensure!(entries == 0, "{entries} outbox entries of {product}");
            }
            self.ends().await
        });
        let ends = ends.await?;
        let what = "everything is written";
        self.no_lag(what, &ends, limit, |lag| lag.unwritten).await?;
        Ok(ends)
    }

    /// Waits until everything is written and its offsets are committed to Kafka.
    pub async fn drained(&self, sales: &[Sale], limit: Duration) -> Result<Ends> {
        let ends = self.written(sales, limit).await?;
        let what = "all offsets are committed";
        self.no_lag(what, &ends, limit, |lag| lag.uncommitted)
            .await?;
        Ok(ends)
    }

    async fn no_lag(
        &self,
        what: &str,
        ends: &Ends,
        limit: Duration,
        records: impl Fn(Lag) -> i64,
    ) -> Result<()> {
        wait_until(what, limit, async || {
            let lag = self.lag(ends).await?;
            ensure!(records(lag) == 0, "{lag:?}");
            Ok(())
        })
        .await
    }

    /// Where the topic ends now.
    pub async fn ends(&self) -> Result<Ends> {
        Ok(Ends(self.topic.ends().await?))
    }

    /// What the workers still have to do of what lies before `ends`.
    pub async fn lag(&self, ends: &Ends) -> Result<Lag> {
        let written = self.postgres.positions(self.topic.name()).await?;
        let committed = self.topic.committed().await?;
        // Read last: a position beyond it is in a log that is lost.
        let now = self.ends().await?;
        Ok(Lag {
            unwritten: ends.missing(&written, &now),
            uncommitted: ends.missing(&committed, &now),
        })
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
