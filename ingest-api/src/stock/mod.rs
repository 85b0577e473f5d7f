//! The gate: who gets a unit is decided in Redis, in one Lua call, which orders of a sale share.
//!
//! All of `fred` stays in this folder. Replies come out typed; what the scripts promise stands in
//! `lua/README.md`.

mod calls;
mod changes;
mod connection;
mod error;
mod keys;
mod number;
mod opening;
mod outbox;
mod rebuild;
mod record;
mod replicas;
mod reservation;
mod sale;
mod scripts;
mod sign;
mod snapshot;

pub use changes::{Change, Closing, Restock};
pub use error::StockError;
pub use keys::SaleKeys;
pub use number::{NotANumber, Number};
pub use opening::{Claim, Terms};
pub use outbox::{Content, Page, Waiting};
pub use rebuild::{FillError, Pair, Part, Stopped};
pub use record::{Cancel, Record};
pub use reservation::Reservation;
pub use sale::{SaleFacts, SaleView};
pub use sign::{OrderIds, Sign};
pub use snapshot::{Records, Snapshot, State};

use std::sync::Arc;

use fluxgate_core::ids::{OrderId, ProductId, Quantity, Tag, UserId};
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::interfaces::{HashesInterface, StreamsInterface};
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use fred::util::redis_keyslot;
use jiff::Timestamp;

use crate::metrics::Metrics;
use connection::Connections;
use replicas::Replicas;
use reservation::Reply;
use scripts::Scripts;

/// The stock of all sales. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Stock {
    connections: Arc<Connections>,
    scripts: Arc<Scripts>,
    replicas: Replicas,
    metrics: Metrics,
}

/// One order that wants units.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The derived id.
    pub order_id: OrderId,
    /// Who orders.
    pub user: UserId,
    /// How many units.
    pub quantity: Quantity,
}

/// What a caller knows of the sale that it asks for units of.
#[derive(Debug)]
pub struct KnownSale<'a> {
    /// The keys of the sale.
    pub keys: &'a SaleKeys,
    /// When it opened, as the order ids say.
    pub opened_at: Timestamp,
    /// The highest number this copy was answered for it, or read in the ledger.
    pub witness: Number,
    /// Most entries its outbox may hold.
    pub outbox_max: u32,
}

/// An order as Redis has it.
#[derive(Debug, Clone)]
pub struct KeptOrder {
    /// What was ordered.
    pub product: ProductId,
    /// The rest.
    pub record: Record,
    /// Whether its event still waits in the outbox.
    pub waiting: bool,
    /// Whether it was cancelled and its units have come back.
    pub cancelled: bool,
}

/// Whether a sale goes on in a Redis that has lost acknowledged writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoneOn {
    /// From this call on, in a new epoch.
    Began,
    /// Somebody else has let it go on.
    Already,
    /// Too much is lost, or the sale is being rebuilt.
    No,
}

impl Stock {
    /// Takes units for orders of one sale, in this order, each order once; one answer for each. An
    /// answer of its own may be an error: a damaged record must not take the others with it.
    ///
    /// # Errors
    /// When Redis gave no usable answer; units may have been taken all the same.
    pub async fn reserve(
        &self,
        sale: &KnownSale<'_>,
        asks: Vec<Ask>,
    ) -> Result<Vec<Result<Reservation, StockError>>, StockError> {
        let mut arguments: Vec<Value> = Vec::with_capacity(4 + 3 * asks.len());
        arguments.push(sale.opened_at.as_millisecond().into());
        arguments.push(i64::from(sale.witness.epoch).into());
        arguments.push(i64::from(sale.witness.sequence).into());
        arguments.push(i64::from(sale.outbox_max).into());
        for ask in &asks {
            arguments.push(ask.order_id.to_string().into());
            arguments.push(ask.user.as_str().into());
            arguments.push(i64::from(ask.quantity).into());
        }
        // One connection for both: a replica confirms what was written on the very same.
        let client = self.client();
        let script = &self.scripts.reserve;
        let reply: Value = self
            .run_on(&client, "reserve", script, sale.keys.all(), arguments)
            .await?;
        let reply = Reply::read(reply, asks.len())?;
        let mut answers: Vec<_> = reply.reservations(asks).collect();
        let promises = |answer: &Result<_, _>| {
            matches!(
                answer,
                Ok(Reservation::Reserved(_) | Reservation::Known { .. })
            )
        };
        if answers.iter().any(promises)
            && let Err(error) = self.on_replicas(&client, &sale.keys.sale).await
        {
            // A refusal promises nothing.
            let promised = answers.iter_mut().filter(|answer| promises(answer));
            promised.for_each(|answer| *answer = Err(error.clone()));
        }
        Ok(answers)
    }

    /// Lets a sale go on in this Redis, which stood below `witness`: it has lost acknowledged writes.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn go_on(&self, keys: &SaleKeys, witness: Number) -> Result<GoneOn, StockError> {
        let arguments = vec![
            i64::from(witness.epoch).into(),
            i64::from(witness.sequence).into(),
        ];
        let keys = vec![keys.sale.clone()];
        let (verdict,): (String,) = self
            .run("go_on", &self.scripts.go_on, keys, arguments)
            .await?;
        match verdict.as_str() {
            "began" => Ok(GoneOn::Began),
            "whole" => Ok(GoneOn::Already),
            "lost" => Ok(GoneOn::No),
            _ => Err(StockError::unexpected("a verdict of go_on.lua", verdict)),
        }
    }

    /// A sale as it stands; `None` where this Redis does not know it, or only that it is being
    /// rebuilt.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn sale(&self, product: &ProductId) -> Result<Option<SaleView>, StockError> {
        let tag = Tag::of(product);
        let key = keys::sale(product, tag);
        // Of the node that has the sale: it is its clock that counts.
        let node = ClusterHash::Custom(redis_keyslot(key.as_bytes()));
        let fields = self.timed("sale", async {
            let client = self.client();
            client
                .hmget::<Vec<Value>, _, _>(key, SaleView::FIELDS.to_vec())
                .await
        });
        let (fields, now) = futures_util::try_join!(fields, self.now_at(node))?;
        SaleView::from_reply(product, tag, &fields, now)
    }

    /// An order, found from its id alone; `None` where this Redis does not know it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order(&self, order_id: OrderId) -> Result<Option<KeptOrder>, StockError> {
        let client = self.client();
        let fields = vec![String::new(), order_id.to_string()];
        let (product, record): (Option<String>, Option<String>) = self
            .timed("order", client.hmget(keys::orders_of(order_id), fields))
            .await?;
        let (Some(product), Some(record)) = (product, record) else {
            return Ok(None);
        };
        let product = ProductId::parse(&product)
            .map_err(|_| StockError::unexpected("a product id", &product))?;
        let record: Record = record.parse()?;

        let outbox = keys::outbox(&product, order_id.tag());
        let cancelled = match record.cancel {
            Some(cancel) => !self.is_waiting(&outbox, cancel.number).await?,
            None => false,
        };
        Ok(Some(KeptOrder {
            waiting: self.is_waiting(&outbox, record.number).await?,
            cancelled,
            product,
            record,
        }))
    }

    async fn is_waiting(&self, outbox: &Key, entry: Number) -> Result<bool, StockError> {
        let client = self.client();
        let entry = entry.to_string();
        let entries: Vec<Value> = self
            .timed("order", client.xrange(outbox, entry.clone(), entry, None))
            .await?;
        Ok(!entries.is_empty())
    }

    /// Redis's own clock: the one that opens and closes sales.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn now(&self) -> Result<Timestamp, StockError> {
        self.now_at(ClusterHash::Random).await
    }

    async fn now_at(&self, node: ClusterHash) -> Result<Timestamp, StockError> {
        let command = CustomCommand::new_static("TIME", node, false);
        let (seconds, micros): (i64, i32) = self
            .timed("time", self.client().custom(command, Vec::<Value>::new()))
            .await?;
        Timestamp::new(seconds, micros.saturating_mul(1_000))
            .map_err(|_| StockError::unexpected("a time", (seconds, micros)))
    }

    fn client(&self) -> Client {
        self.connections.client()
    }
}
