use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ProductId, Total};

/// `fluxgate.sale.opened.v1`: the facts of a sale, ahead of its first order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleOpened {
    /// The sale.
    pub product_id: ProductId,
    /// Units for sale at opening.
    pub total: Total,
    /// From when on orders are taken; also the time inside every order id of the sale.
    pub opens_at: Timestamp,
    /// From when on no more orders are taken; none: until it is closed by hand.
    pub closes_at: Option<Timestamp>,
    /// Most units one user may hold; none: any number.
    pub per_user_limit: Option<u32>,
    /// Which life of the sale's Redis data this is, from 1.
    pub epoch: u32,
    /// The Kafka partition that carries the sale for good.
    pub partition: i32,
}

impl SaleOpened {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.opened.v1";
}
