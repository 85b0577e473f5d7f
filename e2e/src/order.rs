//! Sales, and what buyers and admins ask about them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use fluxgate_domain::ids::{OrderId, ProductId};
use jiff::Timestamp;
use serde::Serialize;

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
    /// None if its orders do not have to be paid.
    pub holds: Option<Holds>,
}

/// How long an order of a sale holds its units before it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    pub seconds: u32,
    /// How much longer a payment is accepted.
    pub grace_seconds: u32,
}

/// What is asked about a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Order {
        /// The number of the buyer: 7 for `buyer-7`.
        buyer: u32,
        quantity: u32,
    },
    ReadStatus(OrderId),
    ReadSale,
    Cancel(OrderId),
    Complete(OrderId),
    Restock {
        /// Makes its key.
        number: u32,
        units: u32,
    },
    Close,
}

impl Sale {
    /// A sale of a product with a new id. It still has to be opened.
    ///
    /// # Errors
    /// When `label` does not fit into a product id.
    pub fn unique(label: &str, total: u32) -> Result<Self> {
        let product = ProductId::parse(&unique(label))?;
        Ok(Self::of(product, total))
    }

    /// The sale of a product, without holds.
    pub fn of(product: ProductId, total: u32) -> Self {
        Self {
            product,
            total,
            holds: None,
        }
    }

    /// The same, with orders that have to be paid in time.
    pub fn with_holds(mut self, seconds: u32, grace_seconds: u32) -> Self {
        self.holds = Some(Holds {
            seconds,
            grace_seconds,
        });
        self
    }
}

impl Holds {
    /// The shortest time from an order to its expiry.
    pub fn time(self) -> Duration {
        Duration::from_secs((self.seconds + self.grace_seconds).into())
    }
}

impl Action {
    pub fn is_order(&self) -> bool {
        matches!(self, Self::Order { .. })
    }

    pub fn is_read(&self) -> bool {
        matches!(self, Self::ReadStatus(_) | Self::ReadSale)
    }
}

/// The id of the buyer with this number.
pub fn user_id(buyer: u32) -> String {
    format!("buyer-{buyer}")
}

/// The number of a buyer by the id that [`user_id`] gives.
pub fn buyer_number(user: &str) -> Option<u32> {
    let number: u32 = user.strip_prefix("buyer-")?.parse().ok()?;
    (user == user_id(number)).then_some(number)
}

/// The key of a buyer's order, in all its tries. A buyer has one key in a sale, which the checker counts on.
pub fn order_key(buyer: u32) -> String {
    format!("key-of-buyer-{buyer}")
}

/// The idempotency key of the restock with this number.
pub fn restock_key(number: u32) -> String {
    format!("restock-{number}")
}
