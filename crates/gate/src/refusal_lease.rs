use std::collections::HashSet;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::OrderId;
use fred::types::scan::Scanner;
use fred::types::{Key, Map, Value};

use crate::scan::next_page;
use crate::{GateError, ReservationContext, ReservationStore, SaleKeys};

/// Fields per page. The allocator keeps the freed memory of larger pages: with 250, a million orders added 12 to 21 MiB
/// to an instance, with 100 they add 10 to 12.
const PAGE: u32 = 100;

/// What `grant_refusal_lease.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalLease {
    /// Granted: no unit is left, and no order was taken since the caller read the orders.
    SoldOut,
    /// Granted: the sale is closed, and no order was taken since the caller read the orders.
    Closed,
    /// The caller must read the orders of this version first.
    OrdersNeeded {
        /// The highest number of the sale.
        number: SequenceNumber,
        /// Of the orders hash.
        version: OrdersVersion,
    },
    /// Orders can be taken, or this Redis cannot tell.
    Denied,
}

/// Tells whether orders were added to the orders hash of a sale. No field is removed within an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdersVersion {
    /// The epoch of the sale.
    pub epoch: u32,
    /// Fields of the hash, orders and others.
    pub fields: u32,
}

impl ReservationStore {
    /// Requests a lease to refuse orders of a sale from memory for the time `lease`. `read` is the version of the orders that the
    /// caller has read.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the lease may have been granted.
    pub async fn grant_refusal_lease(
        &self,
        sale: &ReservationContext<'_>,
        lease: Duration,
        read: Option<OrdersVersion>,
    ) -> Result<RefusalLease, GateError> {
        let keys = vec![sale.keys.sale.clone(), sale.keys.orders.clone()];
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let arguments: Vec<Value> = vec![
            sale.opened_at.as_millisecond().into(),
            i64::from(sale.high_water_mark.epoch).into(),
            i64::from(sale.high_water_mark.sequence).into(),
            lease_ms.into(),
            read.map(|OrdersVersion { epoch, fields }| format!("{epoch}-{fields}"))
                .unwrap_or_default()
                .into(),
        ];
        let reply: Vec<Value> = self
            .run(
                "grant_refusal_lease",
                &self.scripts.grant_refusal_lease,
                keys,
                arguments,
            )
            .await?;
        let text = |i: usize| reply.get(i).and_then(|value| value.as_str());
        let number = || text(1).and_then(|text| text.parse::<SequenceNumber>().ok());
        match text(0).as_deref() {
            Some("sold_out") => return Ok(RefusalLease::SoldOut),
            Some("closed") => return Ok(RefusalLease::Closed),
            Some("denied") => return Ok(RefusalLease::Denied),
            Some("orders_needed") => {
                let fields = reply.get(2).and_then(Value::as_u64);
                let fields = fields.and_then(|fields| u32::try_from(fields).ok());
                if let Some((number, fields)) = number().zip(fields) {
                    let epoch = number.epoch;
                    let version = OrdersVersion { epoch, fields };
                    return Ok(RefusalLease::OrdersNeeded { number, version });
                }
            }
            _ => {}
        }
        Err(GateError::unexpected(
            "an answer of grant_refusal_lease.lua",
            reply,
        ))
    }

    /// Reads the ids of all orders of a sale as hashes, consistent only if no order is taken meanwhile. `fields` is the size
    /// of the orders hash, so that the result is allocated once.
    ///
    /// The caller must compare the fields read with `fields`: a scan that continues in another Redis process (after a
    /// restart or a failover) skips fields, and one whose client is replaced ends early.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order_hashes(
        &self,
        keys: &SaleKeys,
        fields: u32,
    ) -> Result<OrderHashes, GateError> {
        let client = self.client_of(&keys.orders).await?;
        let read = async {
            let mut found = FoundFields::new(fields as usize);
            let pages = client.hscan(keys.orders.clone(), "*", Some(PAGE));
            let mut pages = std::pin::pin!(pages);
            while let Some(mut page) = next_page(&mut pages).await? {
                let fields = page.take_results().map(Map::inner).unwrap_or_default();
                for field in fields.into_keys().filter_map(Key::into_string) {
                    found.add(field);
                }
                page.next();
            }
            Ok(found)
        };
        let found = self.timed("order_hashes", read).await?;
        // Sorting a million takes 60 ms, too long for a thread that serves requests.
        let sorted = tokio::task::spawn_blocking(move || found.sorted());
        sorted.await.map_err(|_| GateError::Abandoned)
    }
}

/// The ids of the orders of a sale, as read: [`OrderId::hash_bits`], 8 bytes each.
#[derive(Debug)]
pub struct OrderHashes {
    /// Sorted and distinct.
    pub hashes: Box<[u64]>,
    /// Distinct fields read, orders and others.
    pub fields: usize,
}

/// The fields of an orders hash while a scan reads them. It may read a field twice.
struct FoundFields {
    hashes: Vec<u64>,
    others: HashSet<String>,
    /// More orders were read than expected; the caller sees that by their number.
    is_overfull: bool,
}

impl FoundFields {
    fn new(fields: usize) -> Self {
        Self {
            hashes: Vec::with_capacity(fields),
            others: HashSet::new(),
            is_overfull: false,
        }
    }

    fn add(&mut self, field: String) {
        let Ok(id) = field.parse::<OrderId>() else {
            self.others.insert(field);
            return;
        };
        let is_full = |hashes: &Vec<u64>| hashes.len() == hashes.capacity();
        if !self.is_overfull && is_full(&self.hashes) {
            self.sort();
            self.is_overfull = is_full(&self.hashes);
        }
        if !self.is_overfull {
            self.hashes.push(id.hash_bits());
        }
    }

    fn sort(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
    }

    fn sorted(mut self) -> OrderHashes {
        self.sort();
        OrderHashes {
            fields: self.hashes.len() + self.others.len(),
            // Shrinks in place: the placeholder and restocks are few.
            hashes: self.hashes.into_boxed_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::{IdempotencyKey, ProductId, Tag, UserId};

    use super::*;

    fn id(key: u32) -> String {
        let product = ProductId::parse("p").unwrap();
        let user = UserId::parse("u").unwrap();
        let key = IdempotencyKey::parse(&key.to_string()).unwrap();
        OrderId::derive(&product, Tag::of(&product), 1, &user, &key).to_string()
    }

    #[test]
    fn hashes_of_orders_are_kept_in_one_allocation_and_once_each() {
        let mut found = FoundFields::new(101);
        let before = found.hashes.as_ptr();
        found.add(String::new());
        // A scan reads fields twice while the hash is rehashed.
        for key in (0..100).chain(0..100) {
            found.add(id(key));
        }
        assert_eq!(found.hashes.as_ptr(), before);
        let read = found.sorted();
        assert_eq!((read.fields, read.hashes.len()), (101, 100));
        assert!(read.hashes.is_sorted());
    }

    #[test]
    fn more_orders_than_expected_need_no_more_memory_and_are_noticed() {
        let mut found = FoundFields::new(4);
        (0..100).for_each(|key| found.add(id(key)));
        assert_eq!(found.hashes.capacity(), 4);
        // As many as expected, but the placeholder, which every orders hash has, is one more.
        found.add(String::new());
        assert_eq!(found.sorted().fields, 5);
    }
}
