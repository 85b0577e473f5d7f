//! What the outbox relay needs beside the outboxes: the index of sales, leases, and retiring a sale.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fred::clients::Client;
use fred::interfaces::{KeysInterface, SetsInterface};
use fred::types::scan::Scanner;
use fred::types::{Expiration, SetOptions, Value};

use crate::scan::next_page;
use crate::{GateError, ReservationStore, SaleKeys, keys};

/// Members of the index per page.
const INDEX_PAGE: u32 = 500;

/// A sale in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedSale {
    /// The product of the sale.
    pub product: ProductId,
    /// The retirements under which it is in the index: it was put there since. 0: before the first.
    pub retirements: Vec<u32>,
}

/// What `retire.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// The sale is retired for the time with this number: what is in the index under lower numbers can go.
    Retired(u32),
    /// It can sell, has outbox entries, is being rebuilt, or lacks a key.
    NotYet,
    /// Redis does not have it.
    Gone,
}

/// Work that one instance at a time is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// The outbox relay.
    OutboxRelay,
    /// Letting orders expire that are not paid.
    HoldExpiry,
}

impl Lease {
    fn key(self) -> &'static str {
        match self {
            Self::OutboxRelay => keys::OUTBOX_RELAY,
            Self::HoldExpiry => keys::HOLD_EXPIRY,
        }
    }
}

/// When the keys of a sale expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Never: the sale is not retired.
    Never,
    /// Some day: it is retired.
    Retired,
    /// Redis does not have the sale.
    Gone,
}

impl ReservationStore {
    /// Sets the expiry of a closed sale's keys to `keep` after its closing, if its outbox is empty.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may be retired.
    pub async fn retire(&self, keys: &SaleKeys, keep: Duration) -> Result<Retirement, GateError> {
        let arguments = vec![keep.as_millis().to_string().into()];
        let retired: i64 = self
            .run("retire", &self.scripts.retire, keys.all(), arguments)
            .await?;
        match retired {
            -1 => Ok(Retirement::Gone),
            0 => Ok(Retirement::NotYet),
            number => u32::try_from(number)
                .map(Retirement::Retired)
                .map_err(|_| GateError::unexpected("a reply of retire.lua", number)),
        }
    }

    /// Whether the keys of a sale expire.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn expiry(&self, keys: &SaleKeys) -> Result<Expiry, GateError> {
        let key = &keys.sale;
        let ask = |client: Client| async move { client.pttl(key).await };
        let left_ms: i64 = self.at("expiry", key, ask).await?;
        Ok(match left_ms {
            -2 => Expiry::Gone,
            -1 => Expiry::Never,
            _ => Expiry::Retired,
        })
    }

    /// Every sale that may have outbox entries, read in pages: a sale that is in the index all the while is returned.
    ///
    /// # Errors
    /// When Redis gave no usable answer, or not the whole index: a scan that continues in another Redis process (after a
    /// restart or a failover) skips members.
    pub async fn indexed(&self) -> Result<Vec<IndexedSale>, GateError> {
        let client = self.client_of(&keys::SALES.into()).await?;
        let read = async {
            let before: usize = client.scard(keys::SALES).await?;
            let mut members = BTreeSet::new();
            let pages = client.sscan(keys::SALES, "*", Some(INDEX_PAGE));
            let mut pages = std::pin::pin!(pages);
            while let Some(mut page) = next_page(&mut pages).await? {
                let found = page.take_results().unwrap_or_default();
                members.extend(found.iter().filter_map(Value::as_string));
                page.next();
            }
            let after: usize = client.scard(keys::SALES).await?;
            Ok((members, before.min(after)))
        };
        let (members, fewest) = self.timed("index", read).await?;
        if members.len() < fewest {
            let found = (members.len(), fewest);
            return Err(GateError::unexpected("every member of the index", found));
        }
        let mut sales: BTreeMap<ProductId, BTreeSet<u32>> = BTreeMap::new();
        // A member that is not ours must not keep the relay from the others.
        for (product, retirement) in members.iter().filter_map(|it| keys::read_index_member(it)) {
            sales.entry(product).or_default().insert(retirement);
        }
        let sales = sales.into_iter();
        let sales = sales.map(|(product, retirements)| IndexedSale {
            product,
            retirements: retirements.into_iter().collect(),
        });
        Ok(sales.collect())
    }

    /// Puts a retired sale back into the index, under the number of its retirement: a relay that removes what was there
    /// before the retirement, however late, leaves this.
    pub(crate) async fn index_again(
        &self,
        product: &ProductId,
        retirement: u32,
    ) -> Result<(), GateError> {
        // Relays of 0.2.0 see only the product id.
        let members = vec![product.to_string(), keys::index_member(product, retirement)];
        self.add_to_index(members).await?;
        Ok(())
    }

    /// Makes a sale known to the relay; true if it was not in the index.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may be in the index.
    pub async fn index(&self, product: &ProductId) -> Result<bool, GateError> {
        let added = self.add_to_index(vec![product.to_string()]).await?;
        Ok(added > 0)
    }

    /// Returns how many members were not in the index.
    async fn add_to_index(&self, members: Vec<String>) -> Result<u64, GateError> {
        let add = |client: Client| {
            let members = members.clone();
            async move { client.sadd(keys::SALES, members).await }
        };
        self.at("index", &keys::SALES.into(), add).await
    }

    /// Takes out of the index what stands there for the time before the retirement with the number `before`.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn unindex(&self, sale: &IndexedSale, before: u32) -> Result<(), GateError> {
        let numbers = sale.retirements.iter().filter(|number| **number < before);
        let mut members: Vec<String> = numbers
            .map(|number| keys::index_member(&sale.product, *number))
            .collect();
        members.push(sale.product.to_string());
        let remove = |client: Client| {
            let members = members.clone();
            async move { client.srem(keys::SALES, members).await }
        };
        self.at("index", &keys::SALES.into(), remove).await
    }

    /// Whether `instance` holds this lease for the time `length`. Two instances that both believe so only do the same work
    /// twice.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn take_lease(
        &self,
        lease: Lease,
        instance: &str,
        length: Duration,
    ) -> Result<bool, GateError> {
        let key = lease.key();
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let client = self.client_of(&key.into()).await?;
        let holder: Option<String> = self.timed("lease", client.get(key)).await?;
        if let Some(holder) = holder {
            if holder != instance {
                return Ok(false);
            }
            let renewal = client.pexpire(key, length_ms, None);
            return self.timed("lease", renewal).await;
        }
        let taking = client.set(
            key,
            instance,
            Some(Expiration::PX(length_ms)),
            Some(SetOptions::NX),
            false,
        );
        match self.timed::<Option<String>>("lease", taking).await {
            Ok(won) => Ok(won.is_some()),
            // No memory for a lease. Its work is what frees memory, so every instance does it.
            Err(error) if error.is_out_of_memory() => Ok(true),
            Err(error) => Err(error),
        }
    }
}
