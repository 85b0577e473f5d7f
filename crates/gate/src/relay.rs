//! What the outbox relay needs beside the outboxes: the index of sales, its lease, and retiring a sale.

use std::collections::BTreeSet;
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fred::interfaces::{KeysInterface, SetsInterface};
use fred::types::scan::Scanner;
use fred::types::{Expiration, SetOptions, Value};
use futures_util::TryStreamExt;

use crate::{GateError, ReservationStore, SaleKeys, keys};

/// Members of the index per page.
const INDEX_PAGE: u32 = 500;

impl ReservationStore {
    /// Sets the expiry of a closed sale's keys to `keep` after its closing; true once that is done.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn retire(&self, keys: &SaleKeys, keep: Duration) -> Result<bool, GateError> {
        let arguments = vec![keep.as_millis().to_string().into()];
        let retired: i64 = self
            .run("retire", &self.scripts.retire, keys.all(), arguments)
            .await?;
        Ok(retired == 1)
    }

    /// Every sale that may have outbox entries, read in pages: a sale that is in the index all the while is returned.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn indexed(&self) -> Result<Vec<ProductId>, GateError> {
        let read = async {
            let mut members = BTreeSet::new();
            let client = self.client();
            let pages = client.sscan(keys::SALES, "*", Some(INDEX_PAGE));
            let mut pages = std::pin::pin!(pages);
            while let Some(mut page) = pages.try_next().await? {
                let found = page.take_results().unwrap_or_default();
                members.extend(found.into_iter().filter_map(Value::into_string));
                page.next();
            }
            Ok(members)
        };
        let products = self.timed("index", read).await?;
        // A member that is no product id is not ours; it must not keep the relay from the others.
        let ids = products.iter().filter_map(|id| ProductId::parse(id).ok());
        Ok(ids.collect())
    }

    /// Takes a retired sale out of the index.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn unindex(&self, product: &ProductId) -> Result<(), GateError> {
        self.timed("index", self.client().srem(keys::SALES, product.as_str()))
            .await
    }

    /// Whether `instance` holds the relay lease for the time `lease`. Two instances that both believe so only do the same
    /// work twice.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn take_relay_lease(
        &self,
        instance: &str,
        lease: Duration,
    ) -> Result<bool, GateError> {
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let client = self.client();
        let holder: Option<String> = self.timed("lease", client.get(keys::OUTBOX_RELAY)).await?;
        if let Some(holder) = holder {
            if holder != instance {
                return Ok(false);
            }
            let renewal = client.pexpire(keys::OUTBOX_RELAY, lease_ms, None);
            return self.timed("lease", renewal).await;
        }
        let lease = client.set(
            keys::OUTBOX_RELAY,
            instance,
            Some(Expiration::PX(lease_ms)),
            Some(SetOptions::NX),
            false,
        );
        match self.timed::<Option<String>>("lease", lease).await {
            Ok(won) => Ok(won.is_some()),
            // No memory for a lease. The relay is what frees memory, so every instance runs it.
            Err(error) if error.is_out_of_memory() => Ok(true),
            Err(error) => Err(error),
        }
    }
}
