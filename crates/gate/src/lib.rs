//! The gate: Redis decides in one Lua call who gets a unit, and the orders of a sale share that call.
//!
//! The only crate with `fred` in its manifest. Replies come out typed. The keys and the contract of every script:
//! `lua/README.md`.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `call` | connecting, reconnecting, timing and counting calls |
//! | `node`, `cluster` | the connections to one server; which master of a Cluster has which slots |
//! | `probe`, `scan` | whether Redis takes writes; reading scans page by page |
//! | `reservation`, `distinct`, `reserve_reply`, `reserve_sales` | reserving units for orders of one sale, and of several sales in one call |
//! | `quotas` | the limits of the rate of a sale's orders |
//! | `refusal_lease` | the lease under which an instance refuses orders from memory |
//! | `opening`, `amendments`, `changes`, `sale` | opening, amending, changing and reading a sale |
//! | `figures` | what operators watch of a sale |
//! | `holds` | completing orders, and letting them expire |
//! | `queue`, `queue_view`, `queue_changes` | joining the queue of a sale, serving it, and changing how it is served |
//! | `order` | looking up orders by their ids |
//! | `outbox`, `acks`, `relay` | reading outboxes; acknowledging events; the index of sales, leases, retiring |
//! | `eviction` | whether Redis may evict keys |
//! | `snapshot`, `records`, `rebuild` | what the reconciler reads and restores |

mod acks;
mod amendments;
mod call;
mod changes;
mod cluster;
mod connection;
mod distinct;
mod error;
mod event_name;
mod eviction;
mod figures;
mod holds;
mod keys;
mod metrics;
mod node;
mod opening;
mod order;
mod outbox;
mod probe;
mod queue;
mod queue_changes;
mod queue_view;
mod quotas;
mod rebuild;
mod records;
mod refusal_lease;
mod relay;
mod replicas;
mod reservation;
mod reserve_reply;
mod reserve_sales;
mod sale;
mod scan;
mod scripts;
mod snapshot;

pub use acks::{ACKS_PER_CALL_MAX, Ack, Acked, AckedEvent, EFFECTS_PER_CALL_MAX, SaleAcks};
pub use amendments::Amendment;
pub use changes::{Change, ChangeContext, LossContinuation};
pub use error::GateError;
pub use event_name::EventName;
pub use eviction::EvictingNode;
pub use figures::SaleFigures;
pub use holds::{DueHolds, EXPIRIES_PER_CALL_MAX, Expiries, HoldsWatch, hold_field};
pub use keys::{OptionalKeys, QueueKeys, SaleKeys};
pub use metrics::GateMetrics;
pub use opening::Claim;
pub use order::{ORDERS_MAX, StoredOrder};
pub use outbox::{EventContent, OUTBOX_PAGE_MAX, OutboxEntry, OutboxEvent, OutboxPage};
pub use queue::{Join, QueueBinding, QueueMark, QueueRefusal, queue_field};
pub use queue_view::{QueuePhase, QueueView};
pub use quotas::{Quota, Quotas, limits_field};
pub use rebuild::{FillError, Pair, Part, Stopped};
pub use records::{RecordedOrder, Records};
pub use refusal_lease::{OrderHashes, OrdersVersion, RefusalLease};
pub use relay::{Expiry, IndexedSale, Lease, Retirement};
pub use reservation::{
    Answer, ORDERS_PER_CALL_MAX, Reservation, ReservationContext, ReservationRequest,
};
pub use reserve_sales::SaleRequests;
pub use sale::{SaleFacts, SaleView};
pub use snapshot::{OutboxOrder, Snapshot, State};

use std::sync::Arc;

use fred::clients::Client;
use fred::types::Key;

use connection::Connections;
use replicas::Replicas;
use scripts::Scripts;

/// Every sale's data in Redis. Clones share their connections.
#[derive(Clone)]
pub struct ReservationStore {
    connections: Arc<Connections>,
    scripts: Arc<Scripts>,
    replicas: Replicas,
    metrics: GateMetrics,
}

/// The SHA-1 of each script and its name, as the slow log of Redis shows and a reader knows it.
pub fn script_names() -> Vec<(String, &'static str)> {
    let scripts = Scripts::embedded();
    let names = scripts.all().into_iter();
    names
        .map(|(name, script)| (script.sha1().to_string(), name))
        .collect()
}

impl ReservationStore {
    /// A connection to the server that has `key`.
    async fn client_of(&self, key: &Key) -> Result<Client, GateError> {
        let client = self.connections.client_of(key.as_bytes()).await;
        client.map_err(|error| self.failed(error))
    }
}
