use fluxgate_domain::Terms;
use fluxgate_domain::ids::{ProductId, Tag};
use fred::types::Value;
use jiff::Timestamp;

use crate::{
    GateError, OptionalKeys, ReservationStore, SaleKeys, hold_field, limits_field, queue_field,
};

/// What `open_sale.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The sale is new.
    Claimed,
    /// It exists, on these or other terms.
    Exists,
    /// It exists, and is being rebuilt.
    Rebuilding,
}

/// How many milliseconds later than requested a sale may open, because sales with the same tag opened in those before.
const OPENING_ATTEMPTS_MAX: i64 = 1_000;

impl ReservationStore {
    /// Claims a sale; the first caller wins. The sale takes no orders until [`ReservationStore::ack_and_apply`].
    ///
    /// # Errors
    /// When Redis gave no usable answer; the sale may have been claimed.
    pub async fn claim(
        &self,
        product: &ProductId,
        terms: &Terms,
        partition: i32,
    ) -> Result<Claim, GateError> {
        // The index first: a claimed sale that the outbox relay does not know could stay half open forever.
        self.index(product).await?;

        let tag = Tag::of(product);
        let wanted = match terms.opens_at {
            Some(at) => at,
            None => self.now().await?,
        }
        .as_millisecond();
        for opens_at in wanted..wanted + OPENING_ATTEMPTS_MAX {
            let arguments: Vec<Value> = vec![
                product.as_str().into(),
                i64::from(terms.quantity).into(),
                opens_at.into(),
                or_empty(terms.opens_at.map(Timestamp::as_millisecond)),
                or_empty(terms.closes_at.map(Timestamp::as_millisecond)),
                or_empty(terms.per_user_limit.map(i64::from)),
                i64::from(partition).into(),
                terms.to_json().into(),
                limits_field(terms).unwrap_or_default().into(),
                hold_field(terms).unwrap_or_default().into(),
                queue_field(terms).unwrap_or_default().into(),
            ];
            let keys = SaleKeys::new(product, tag, opens_at, OptionalKeys::of(terms)).all();
            let reply: String = self
                .run("open_sale", &self.scripts.open_sale, keys, arguments)
                .await?;
            match reply.as_str() {
                "claimed" => return Ok(Claim::Claimed),
                "exists" => return Ok(Claim::Exists),
                "rebuilding" => return Ok(Claim::Rebuilding),
                "taken" => {}
                _ => return Err(GateError::unexpected("a reply of open_sale.lua", reply)),
            }
        }
        Err(GateError::unexpected(
            "a free millisecond to open in",
            "all taken by sales with the same tag",
        ))
    }
}

/// The scripts take an empty string for none.
pub(crate) fn or_empty(value: Option<i64>) -> Value {
    value.map_or_else(|| Value::from(""), Value::from)
}
