//! Sales, and the orders that buyers send.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;

/// A text that no other run of any test program uses: letters, digits and underscores.
pub fn unique(label: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now().as_microsecond();
    format!("{label}_{now:x}_{:x}_{number}", std::process::id())
}

/// A sale under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub product: ProductId,
    /// Units that it is opened with.
    pub total: u32,
}

/// One order. All its tries carry the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Order {
    pub product: String,
    pub user: String,
    pub quantity: u32,
    pub key: String,
}

impl Sale {
    /// A sale of a product with a new id. It still has to be opened.
    ///
    /// # Errors
    /// When `label` does not fit into a product id.
    pub fn unique(label: &str, total: u32) -> Result<Self> {
        let product = ProductId::parse(&unique(label))?;
        Ok(Self { product, total })
    }

    /// The order of the buyer with this number: one unit. A buyer has one key in a sale, which is
    /// what [`crate::checker`] counts on.
    pub fn order_of(&self, buyer: u32) -> Order {
        Order {
            product: self.product.to_string(),
            user: format!("buyer-{buyer}"),
            quantity: 1,
            key: format!("key-of-buyer-{buyer}"),
        }
    }
}

/// The number of a buyer by the name that [`Sale::order_of`] gives.
pub fn buyer_number(user: &str) -> Option<u32> {
    let number: u32 = user.strip_prefix("buyer-")?.parse().ok()?;
    (user == format!("buyer-{number}")).then_some(number)
}
