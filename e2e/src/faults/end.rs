//! What the stores hold once a run has come to rest.

use anyhow::Result;
use fluxgate_domain::ids::{OrderId, RestockId};
use serde::Deserialize;

use super::market::Market;
use crate::order::Sale;
use crate::sandbox::Sandbox;
use crate::truth::{Change, Truth};

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// The sales.
    pub sales: Vec<SaleEnd>,
    /// What the worker could not write, of all sales.
    pub dead_letters: Vec<DeadLetter>,
}

/// What is left of a sale.
#[derive(Debug, Clone)]
pub struct SaleEnd {
    /// What was sold, and how many units it was opened with.
    pub sale: Sale,
    /// Rows, ledger, Redis, what is unread.
    pub truth: Truth,
    /// The numbers of its orders, cancels and changes in PostgreSQL, in order.
    pub numbers: Vec<i64>,
    /// What happened to it after its opening.
    pub changes: Vec<Change>,
}

/// A record that could not be written. What it spoke of, where it can still be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeadLetter {
    /// The order.
    pub order_id: Option<OrderId>,
    /// Its sale.
    pub product_id: String,
    /// Its number.
    pub sequence: i64,
    /// Why it could not be written.
    #[serde(skip)]
    pub reason: String,
}

impl End {
    /// Reads everything.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn of(sandbox: &Sandbox, market: &Market) -> Result<Self> {
        let mut sales = Vec::new();
        for sale in &market.sales {
            let product = sale.product.as_str();
            sales.push(SaleEnd {
                truth: sandbox.stores.truth(sale).await?,
                numbers: sandbox.stores.database.numbers(product).await?,
                changes: sandbox.stores.database.changes(product).await?,
                sale: sale.clone(),
            });
        }
        let letters = sandbox.stores.database.dead_letters().await?;
        let read = |(value, reason): (Vec<u8>, String)| DeadLetter {
            reason,
            ..serde_json::from_slice(&value).unwrap_or_default()
        };
        Ok(Self {
            sales,
            dead_letters: letters.into_iter().map(read).collect(),
        })
    }

    /// Rows in `orders`.
    pub fn rows(&self) -> usize {
        self.sales.iter().map(|sale| sale.truth.rows.len()).sum()
    }
}

impl SaleEnd {
    /// Whether PostgreSQL has the restock of this key, and with how many units.
    pub fn restock(&self, key: &str) -> Option<i64> {
        let key = fluxgate_domain::ids::IdempotencyKey::parse(key).ok()?;
        let id = RestockId::derive(&self.sale.product, &key).to_string();
        let change = self.changes.iter().find(|change| change.id == id)?;
        Some(change.units)
    }
}
