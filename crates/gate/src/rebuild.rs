//! Restoring a sale that Redis has lost. Only the reconciler does this; it decides what is written.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::ProductId;
use fred::clients::Client;
use fred::interfaces::KeysInterface;
use fred::types::Value;

use crate::{GateError, ReservationStore, SaleKeys};

/// Field and value pairs per call: Lua takes a few thousand arguments, and a script blocks Redis.
const PAIRS_MAX: usize = 500;

/// A field of a Redis hash and its value, or a score of a sorted set and its member.
pub type Pair = (String, String);

/// A stopped sale that can be restored. A later stop of the same sale invalidates it.
pub struct Stopped<'a> {
    store: &'a ReservationStore,
    keys: &'a SaleKeys,
    token: String,
    /// The highest number that this Redis has given out; zero if it has lost the sale.
    pub highest: SequenceNumber,
}

/// The keys that are restored before the sale itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Order id to record, and restock id to record.
    Orders,
    /// User to units held, and the other fields of users.
    Users,
    /// End of the hold, Unix ms, to order id.
    Holds,
}

/// Why a sale was not restored.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The sale is no longer stopped by this rebuild.
    #[error(
        "the sale is no longer stopped: another rebuild has begun, or Redis has lost data again"
    )]
    NotStopped,
    /// Another sale has used the orders hash since Redis lost this one.
    #[error(
        "another sale with the same tag and opening time was opened since; both would share one orders hash"
    )]
    Taken,
    /// Redis gave no usable answer.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl ReservationStore {
    /// Whether Redis has a key of this sale.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn has_any_key(&self, keys: &SaleKeys) -> Result<bool, GateError> {
        let read = |client: Client| {
            let keys = keys.all();
            async move { client.exists(keys).await }
        };
        let count: u32 = self.at("exists", &keys.sale, read).await?;
        Ok(count > 0)
    }

    /// Stops a sale: until it is reopened, it takes no orders and no changes.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may have been stopped.
    pub async fn stop<'a>(
        &'a self,
        product: &ProductId,
        keys: &'a SaleKeys,
        token: String,
    ) -> Result<Stopped<'a>, FillError> {
        // The index first, as in an opening: a sale that the outbox relay does not know must not sell.
        self.index(product).await?;
        let arguments = vec![token.as_str().into(), product.as_str().into()];
        let both = vec![keys.sale.clone(), keys.orders.clone()];
        let script = &self.scripts.stop_sale;
        let (reply, client): (Vec<Value>, _) = self.run_on("stop", script, both, arguments).await?;
        let number = |i: usize| reply.get(i).and_then(Value::as_u64)?.try_into().ok();
        let highest = match (
            reply.first().and_then(Value::as_str).as_deref(),
            number(1),
            number(2),
        ) {
            (Some("stopped"), Some(epoch), Some(sequence)) => SequenceNumber { epoch, sequence },
            (Some("taken"), ..) => return Err(FillError::Taken),
            _ => return Err(GateError::unexpected("a reply of stop_sale.lua", reply).into()),
        };
        // If it was retired, a relay may still be about to take it out of the index.
        if let Some(retirement) = number(3).filter(|retirement| *retirement > 0) {
            self.index_again(product, retirement).await?;
        }
        self.on_replicas(&client, &keys.sale).await?;
        Ok(Stopped {
            store: self,
            keys,
            token,
            highest,
        })
    }
}

impl Stopped<'_> {
    /// Removes the orders, users, holds, queue and outbox of the sale.
    ///
    /// # Errors
    /// When the call failed, or its outcome is unknown.
    pub async fn empty(&self, epoch: u32, product: &ProductId) -> Result<(), FillError> {
        let arguments = vec![
            "empty".into(),
            i64::from(epoch).into(),
            product.as_str().into(),
        ];
        self.restore(arguments).await
    }

    /// Adds pairs to a key of the sale. Idempotent.
    ///
    /// # Errors
    /// When not all were added, or the outcome is unknown.
    pub async fn fill(&self, part: Part, pairs: &[Pair]) -> Result<(), FillError> {
        let part = match part {
            Part::Orders => "orders",
            Part::Users => "users",
            Part::Holds => "holds",
        };
        for some in pairs.chunks(PAIRS_MAX) {
            let mut arguments: Vec<Value> = vec![part.into()];
            arguments.extend(flat(some));
            self.restore(arguments).await?;
        }
        Ok(())
    }

    /// Reopens the sale with these fields of its hash.
    ///
    /// # Errors
    /// When the call failed, or its outcome is unknown.
    pub async fn reopen(self, fields: &[Pair]) -> Result<(), FillError> {
        let mut arguments: Vec<Value> = vec![self.token.as_str().into()];
        arguments.extend(flat(fields));
        let keys = self.keys.all();
        let store = self.store;
        let script = &store.scripts.reopen_sale;
        let (reply, client) = store.run_on("reopen", script, keys, arguments).await?;
        done(reply)?;
        Ok(store.on_replicas(&client, &self.keys.sale).await?)
    }

    async fn restore(&self, mut arguments: Vec<Value>) -> Result<(), FillError> {
        arguments.insert(0, self.token.as_str().into());
        let script = &self.store.scripts.restore;
        let keys = self.keys.all();
        done(self.store.run("restore", script, keys, arguments).await?)
    }
}

fn flat(pairs: &[Pair]) -> impl Iterator<Item = Value> {
    let both = pairs.iter().flat_map(|(field, value)| [field, value]);
    both.map(|text| text.as_str().into())
}

fn done(reply: i64) -> Result<(), FillError> {
    if reply == 1 {
        Ok(())
    } else {
        Err(FillError::NotStopped)
    }
}
