use std::collections::HashSet;
use std::time::Duration;

use fluxgate_core::ids::OrderId;
use fred::types::scan::Scanner;
use fred::types::{Key, Map, Value};
use futures_util::TryStreamExt;

use super::{KnownSale, Number, SaleKeys, Stock, StockError};

/// Fields read at once.
const PAGE: u32 = 1_000;

/// What `sign.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It hangs: everything is sold, and no order was taken since the caller began to read them.
    SoldOut,
    /// It hangs: the sale is over, likewise.
    Closed,
    /// It would hang, once the caller has read the orders.
    Read {
        /// The number that this reading is of.
        number: Number,
        /// How many fields there are to be read, orders and others.
        fields: u32,
    },
    /// Orders can be taken here, or nobody can tell.
    No,
}

impl Stock {
    /// Hangs out a sign that nothing is taken in a sale for a while. `read` is the number at which the
    /// caller began to read the orders that it has.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sign may hang all the same.
    pub async fn hang_sign(
        &self,
        sale: &KnownSale<'_>,
        hangs: Duration,
        read: Option<Number>,
    ) -> Result<Sign, StockError> {
        let keys = vec![sale.keys.sale.clone(), sale.keys.orders.clone()];
        let hangs_ms = i64::try_from(hangs.as_millis()).unwrap_or(i64::MAX);
        let arguments: Vec<Value> = vec![
            sale.opened_at.as_millisecond().into(),
            i64::from(sale.witness.epoch).into(),
            i64::from(sale.witness.sequence).into(),
            hangs_ms.into(),
            read.map(|number| number.to_string())
                .unwrap_or_default()
                .into(),
        ];
        let reply: Vec<Value> = self
            .run("sign", &self.scripts.sign, keys, arguments)
            .await?;
        let text = |i: usize| reply.get(i).and_then(|value| value.as_str());
        let number = || text(1).and_then(|text| text.parse().ok());
        match text(0).as_deref() {
            Some("sold_out") => return Ok(Sign::SoldOut),
            Some("closed") => return Ok(Sign::Closed),
            Some("no") => return Ok(Sign::No),
            Some("read") => {
                let fields = reply.get(2).and_then(Value::as_u64);
                let fields = fields.and_then(|fields| u32::try_from(fields).ok());
                if let Some((number, fields)) = number().zip(fields) {
                    return Ok(Sign::Read { number, fields });
                }
            }
            _ => {}
        }
        Err(StockError::unexpected("an answer of sign.lua", reply))
    }

    /// The ids of all orders of a sale; of one moment only if no order was taken meanwhile.
    ///
    /// Only whoever compares `fields` knows that it is all: a scan that goes on in another process of
    /// Redis (after a restart, a failover) passes fields over, and one whose client is thrown away just
    /// ends.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn order_ids(&self, keys: &SaleKeys) -> Result<OrderIds, StockError> {
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

/// What reading the orders of a sale brought.
#[derive(Debug)]
pub struct OrderIds {
    /// The orders.
    pub orders: Vec<OrderId>,
    /// Different fields that were read, orders and others.
    pub fields: usize,
}
