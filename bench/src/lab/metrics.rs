//! What the services say of themselves.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// Partitions of the topic of orders.
const PARTITIONS: usize = 12;

/// Orders by what became of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcomes(BTreeMap<String, u64>);

impl Outcomes {
    pub fn read(metrics: &str) -> Result<Self> {
        let head = "ingest_api_orders_total{outcome=\"";
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(head));
        lines
            .map(|line| {
                let (outcome, count) = line.split_once("\"} ").context("no outcome")?;
                Ok((outcome.to_owned(), count.parse()?))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// What has come since.
    pub fn since(mut self, earlier: &Self) -> Self {
        for (outcome, count) in &mut self.0 {
            *count -= earlier.0.get(outcome).copied().unwrap_or(0).min(*count);
        }
        self.0.retain(|_, count| *count > 0);
        self
    }

    /// All but these.
    pub fn other_than(&self, expected: &[&str]) -> u64 {
        let others = self
            .0
            .iter()
            .filter(|(name, _)| !expected.contains(&name.as_str()));
        others.map(|(_, count)| count).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0
            .iter()
            .map(|(outcome, count)| (outcome.as_str(), *count))
    }
}

/// Unless the worker has all partitions and nothing left to write.
pub fn expect_no_lag(metrics: &str) -> Result<()> {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("inventory_worker_lag_records{"));
    let lags: Vec<&str> = lines.filter_map(|line| line.rsplit(' ').next()).collect();
    ensure!(lags.len() == PARTITIONS, "only {} partitions", lags.len());
    let behind = lags.iter().filter(|lag| **lag != "0").count();
    ensure!(behind == 0, "{behind} partitions are not at their end");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_told_by_their_differences() {
        let before = "# HELP x\ningest_api_orders_total{outcome=\"accepted\"} 3\n";
        let after = "ingest_api_orders_total{outcome=\"accepted\"} 3\n\
                     ingest_api_orders_total{outcome=\"sold_out\"} 5\n\
                     ingest_api_orders_total{outcome=\"overloaded\"} 2\n";
        let (before, after) = (Outcomes::read(before), Outcomes::read(after));
        let new = after.unwrap().since(&before.unwrap());
        assert_eq!(new.iter().count(), 2);
        assert_eq!(new.other_than(&["sold_out"]), 2);
    }

    #[test]
    fn a_worker_without_all_partitions_may_have_something_left() {
        let of = |lag: fn(usize) -> usize, partitions: usize| -> String {
            (0..partitions)
                .map(|n| {
                    format!(
                        "inventory_worker_lag_records{{partition=\"{n}\"}} {}\n",
                        lag(n)
                    )
                })
                .collect()
        };
        assert!(expect_no_lag(&of(|_| 0, 12)).is_ok());
        assert!(expect_no_lag(&of(|_| 0, 11)).is_err());
        assert!(expect_no_lag(&of(|n| n, 12)).is_err());
    }
}
