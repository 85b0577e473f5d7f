use fluxgate_domain::Terms;
use fluxgate_domain::ids::{OrderId, ProductId, Tag};
use fred::types::Key;

/// The index of all sales that may have outbox entries.
pub const SALES: &str = "fg:sales";
/// The relay lease: the instance that relays outbox entries.
pub const OUTBOX_RELAY: &str = "fg:outbox-relay";
/// The expiry lease: the instance that lets orders expire.
pub const HOLD_EXPIRY: &str = "fg:hold-expiry";

/// A key that never exists. Of a Cluster, each master has another one.
pub const PROBE: &str = "fg:probe";

/// The keys of a sale, all in one Redis Cluster slot; see `lua/README.md`.
#[derive(Debug, Clone)]
pub struct SaleKeys {
    /// Facts and counters.
    pub sale: Key,
    /// Order id to record.
    pub orders: Key,
    /// Entries that Kafka has not acknowledged.
    pub outbox: Key,
    /// Units per user, and what else is counted per user.
    pub users: Key,
    /// Order id to the end of its hold, in a sale with holds.
    pub holds: Option<Key>,
    /// Those of its queue, in a sale with a queue.
    pub queue: Option<QueueKeys>,
}

/// The keys of the queue of a sale.
#[derive(Debug, Clone)]
pub struct QueueKeys {
    /// How far the queue has come.
    pub state: Key,
    /// How many joined before the start, as an estimate.
    pub joined: Key,
}

/// Which of the keys that only some sales have a sale has. No amendment changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionalKeys {
    /// In a sale with holds.
    pub holds: bool,
    /// In a sale with a queue.
    pub queue: bool,
}

impl OptionalKeys {
    /// Those of a sale on these terms.
    pub fn of(terms: &Terms) -> Self {
        Self {
            holds: terms.hold_seconds.is_some(),
            queue: terms.queue.is_some(),
        }
    }
}

impl SaleKeys {
    /// The keys of the sale of `product` whose order ids have the time `id_time_ms`.
    pub fn new(product: &ProductId, tag: Tag, id_time_ms: i64, has: OptionalKeys) -> Self {
        let key = |kind: &str| Key::from(format!("fg:{{{tag}}}:{kind}:{product}"));
        Self {
            sale: sale(product, tag),
            orders: orders(tag, id_time_ms),
            outbox: outbox(product, tag),
            users: key("users"),
            holds: has.holds.then(|| key("holds")),
            queue: has.queue.then(|| QueueKeys {
                state: key("queue"),
                joined: key("joined"),
            }),
        }
    }

    /// In the order of the scripts' KEYS.
    pub fn all(&self) -> Vec<Key> {
        let mut keys = self.of_orders();
        if let Some(QueueKeys { state, joined }) = self.queue.clone() {
            keys.extend([state, joined]);
        }
        keys
    }

    /// Those that orders need: all but those of the queue.
    pub(crate) fn of_orders(&self) -> Vec<Key> {
        let mut keys = self.of_reservation().to_vec();
        keys.extend(self.holds.clone());
        keys
    }

    /// Those that a reservation reads and writes.
    pub(crate) fn of_reservation(&self) -> [Key; 4] {
        [&self.sale, &self.orders, &self.outbox, &self.users].map(Key::clone)
    }
}

/// The sale hash: the only key that is known before the facts are.
pub fn sale(product: &ProductId, tag: Tag) -> Key {
    format!("fg:{{{tag}}}:sale:{product}").into()
}

/// The orders hash of an order's sale, derived from the order id alone.
pub fn orders_of(order: OrderId) -> Key {
    orders(order.tag(), order.opened_at_ms())
}

/// The outbox of a sale.
pub fn outbox(product: &ProductId, tag: Tag) -> Key {
    format!("fg:{{{tag}}}:outbox:{product}").into()
}

/// The member of the index under which a change puts a sale back that was retired for the `retirement`th time. Without a
/// number, it is the product id alone.
pub fn index_member(product: &ProductId, retirement: u32) -> String {
    format!("{product} {retirement}")
}

/// The product and the retirement of a member of the index; `None` if it is not ours.
pub fn read_index_member(member: &str) -> Option<(ProductId, u32)> {
    let (product, retirement) = member.split_once(' ').unwrap_or((member, "0"));
    Some((ProductId::parse(product).ok()?, retirement.parse().ok()?))
}

fn orders(tag: Tag, id_time_ms: i64) -> Key {
    format!("fg:{{{tag}}}:orders:{id_time_ms}").into()
}
