use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Terms;
use crate::ids::{ProductId, Total};

/// `fluxgate.sale.opened.v1`: the facts of a sale, before its first order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleOpened {
    /// Names the sale.
    pub product_id: ProductId,
    /// Units at opening.
    pub total: Total,
    /// Opening time.
    pub opens_at: Timestamp,
    /// Closing time; none: until an admin closes it.
    pub closes_at: Option<Timestamp>,
    /// Units that one user may hold; none: no limit.
    pub per_user_limit: Option<u32>,
    /// Epoch of the sale's Redis data, from 1.
    pub epoch: u32,
    /// The Kafka partition of all events of the sale.
    pub partition: i32,
    /// The time in every order id of the sale; none: `opens_at`. Another one only in a repeated event of a sale that was amended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_time: Option<Timestamp>,
    /// Everything that was said about the sale; none in an event of version 0.2 or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

impl SaleOpened {
    /// The event's `ce_type`.
    pub const TYPE: &str = "fluxgate.sale.opened.v1";
}
