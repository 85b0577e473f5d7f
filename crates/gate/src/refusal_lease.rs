use std::collections::HashSet;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::OrderId;
use fred::types::scan::Scanner;
use fred::types::{Key, Map, Value};
use futures_util::TryStreamExt;

use crate::{GateError, ReservationContext, ReservationStore, SaleKeys};

/// Fields per page.
const PAGE: u32 = 1_000;

/// What `grant_refusal_lease.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalLease {
    /// Granted: no unit is left, and no order was taken since the caller read the orders.
    SoldOut,
    /// Granted: the sale is closed, and no order was taken since the caller read the orders.
    Closed,
    /// The caller must read the orders first.
    OrdersNeeded {
        /// The highest number of the sale, which the orders must be read at.
        number: SequenceNumber,
        /// Fields of the orders hash, orders and others.
        fields: u32,
    },
    /// Orders can be taken, or this Redis cannot tell.
    Denied,
}

impl ReservationStore {
    /// Requests a lease to refuse orders of a sale from memory for the time `lease`. `read_at` is the number at which the
    /// caller has read the orders.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the lease may have been granted.
    pub async fn grant_refusal_lease(
        &self,
        sale: &ReservationContext<'_>,
        lease: Duration,
        read_at: Option<SequenceNumber>,
    ) -> Result<RefusalLease, GateError> {
        let keys = vec![sale.keys.sale.clone(), sale.keys.orders.clone()];
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let arguments: Vec<Value> = vec![
            sale.opened_at.as_millisecond().into(),
            i64::from(sale.high_water_mark.epoch).into(),
            i64::from(sale.high_water_mark.sequence).into(),
            lease_ms.into(),
            read_at
                .map(|number| number.to_string())
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
        let number = || text(1).and_then(|text| text.parse().ok());
        match text(0).as_deref() {
            Some("sold_out") => return Ok(RefusalLease::SoldOut),
            Some("closed") => return Ok(RefusalLease::Closed),
            Some("denied") => return Ok(RefusalLease::Denied),
            Some("orders_needed") => {
                let fields = reply.get(2).and_then(Value::as_u64);
                let fields = fields.and_then(|fields| u32::try_from(fields).ok());
                if let Some((number, fields)) = number().zip(fields) {
                    return Ok(RefusalLease::OrdersNeeded { number, fields });
                }
            }
            _ => {}
        }
        Err(GateError::unexpected(
            "an answer of grant_refusal_lease.lua",
            reply,
        ))
    }

    /// Reads the ids of all orders of a sale, consistent only if no order is taken meanwhile.
    ///
    /// The caller must compare `fields` with the size of the hash: a scan that continues in another Redis process (after a
    /// restart or a failover) skips fields, and one whose client is replaced ends early.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order_ids(&self, keys: &SaleKeys) -> Result<OrderIds, GateError> {
        let read = async {
            let mut seen = HashSet::new();
            let client = self.client();
            let pages = client.hscan(keys.orders.clone(), "*", Some(PAGE));
            let mut pages = std::pin::pin!(pages);
            while let Some(mut page) = pages.try_next().await? {
                let fields = page.take_results().map(Map::inner).unwrap_or_default();
                seen.extend(fields.into_keys().filter_map(Key::into_string));
                page.next();
            }
            Ok(seen)
        };
        let seen = self.timed("order_ids", read).await?;
        Ok(OrderIds {
            fields: seen.len(),
            orders: seen.iter().filter_map(|field| field.parse().ok()).collect(),
        })
    }
}

/// The orders hash of a sale, as read.
#[derive(Debug)]
pub struct OrderIds {
    /// The order ids.
    pub orders: Vec<OrderId>,
    /// Distinct fields read, orders and others.
    pub fields: usize,
}
