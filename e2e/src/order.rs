//! What buyers ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;

/// A text no other run of any test program uses: letters, digits and underscores.
pub fn unique(label: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now().as_microsecond();
    format!("{label}_{now:x}_{:x}_{number}", std::process::id())
}

/// A sale under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// What is sold.
    pub product: ProductId,
    /// Units there are.
    pub total: u32,
}

impl Sale {
    /// A sale of a product that nobody else knows. It still has to be opened.
    ///
    /// # Errors
    /// When `label` does not fit into a product id.
    pub fn unique(label: &str, total: u32) -> Result<Self> {
        let product = ProductId::parse(&unique(label))?;
        Ok(Self { product, total })
    }

    /// What the buyer with this number wants: one unit. In a sale user, key and order stand one to
    /// one, which is what [`crate::verdict`] counts on.
    pub fn order_of(&self, buyer: usize) -> Order {
        Order(Arc::new(Facts {
            product: self.product.to_string(),
            user: format!("buyer-{buyer}"),
            quantity: 1,
            key: format!("key-of-buyer-{buyer}"),
        }))
    }
}

/// One order that a buyer wants, however often it is sent. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order(Arc<Facts>);

/// See [`Order`].
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// What.
    pub product: String,
    /// Who.
    pub user: String,
    /// How many units.
    pub quantity: u32,
    /// The idempotency key that all its attempts carry.
    pub key: String,
}

impl From<Facts> for Order {
    fn from(facts: Facts) -> Self {
        Self(Arc::new(facts))
    }
}

impl std::ops::Deref for Order {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

/// An order on its way to one copy of the API.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What is asked.
    pub order: Order,
    /// Which copy is asked; more than there are begins at the first again.
    pub copy: usize,
}

/// Every order once, the copies in turn.
pub fn once(orders: impl IntoIterator<Item = Order>) -> impl Iterator<Item = Attempt> {
    orders
        .into_iter()
        .enumerate()
        .map(|(copy, order)| Attempt { order, copy })
}

/// Every order of `sale` at least twice: two attempts side by side, so that they race each other on
/// different connections and, if there are two copies of the API, on different copies; then, when
/// all have asked, once more for every buyer whom `third` picks.
pub fn racing<F: Fn(usize) -> bool + Send>(
    sale: &Sale,
    buyers: usize,
    third: F,
) -> impl Iterator<Item = Attempt> + Send + use<F> {
    let sale = sale.clone();
    let sends_two = (0..buyers).flat_map(|buyer| [(buyer, 0), (buyer, 1)]);
    let sends_a_third = (0..buyers)
        .filter(move |buyer| third(*buyer))
        .map(|buyer| (buyer, 0));
    sends_two
        .chain(sends_a_third)
        .map(move |(buyer, copy)| Attempt {
            order: sale.order_of(buyer),
            copy,
        })
}
