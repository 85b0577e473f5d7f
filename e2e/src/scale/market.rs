//! What is sold while the services are scaled.

use std::collections::BTreeMap;

use anyhow::Result;
use fluxgate_domain::partition;

use crate::client::Client;
use crate::order::Sale;

/// Opens one sale on each partition, number 0 first: orders of all in turn are orders of all partitions in turn.
///
/// # Errors
/// When one cannot be opened.
pub async fn open_on_each_partition(
    admin: &Client,
    partitions: i32,
    units: u32,
) -> Result<Vec<Sale>> {
    let mut sales = BTreeMap::new();
    while sales.len() < usize::try_from(partitions)? {
        let sale = Sale::unique("scale", units)?;
        let partition = partition::of(&sale.product, partitions);
        sales.entry(partition).or_insert(sale);
    }
    for sale in sales.values() {
        admin.open(sale).await?;
    }
    Ok(sales.into_values().collect())
}
