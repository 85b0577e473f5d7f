//! What is for sale in a run.

use anyhow::Result;
use tokio::time::Instant;

use crate::client::Client;
use crate::order::Sale;
use crate::until::until;

/// Units of each sale. At the buyers' rate one is sold out before the fault, one during it and one
/// after it; the last never is: new orders show there when service is normal.
const TOTALS: [u32; 4] = [120, 400, 900, 1_000_000];

/// Longest the opening of a sale may take once everything is there.
const OPEN_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// The sales of a run.
#[derive(Debug, Clone)]
pub struct Market {
    /// All of them.
    pub sales: Vec<Sale>,
}

impl Market {
    /// Sales that nobody else knows. They still have to be opened.
    ///
    /// # Errors
    /// Never, as long as the label fits into a product id.
    pub fn new() -> Result<Self> {
        let sales = TOTALS.map(|total| Sale::unique("sale", total));
        Ok(Self {
            sales: sales.into_iter().collect::<Result<_>>()?,
        })
    }

    /// Opens all of them through the copy at `url`.
    ///
    /// # Errors
    /// When one does not open in time.
    pub async fn open(&self, url: &str) -> Result<()> {
        let (client, begin) = (Client::new(url)?, Instant::now());
        for sale in &self.sales {
            let left = OPEN_LIMIT.saturating_sub(begin.elapsed());
            until("a sale is open", left, async || client.open(sale).await).await?;
        }
        Ok(())
    }

    /// The sale that is closed before the run ends.
    pub fn closing(&self) -> &Sale {
        &self.sales[2]
    }

    /// The sale that never sells out.
    pub fn evergreen(&self) -> &Sale {
        &self.sales[3]
    }
}
