use fluxgate_domain::ids::{ProductId, Tag, Total};
use fred::types::Value;
use jiff::Timestamp;

use crate::{GateError, ReservationStore, SaleKeys};

/// The terms of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Units for sale.
    pub total: Total,
    /// The requested opening time; `None`: now.
    pub opens_at: Option<Timestamp>,
    /// Closing time; `None`: open-ended.
    pub closes_at: Option<Timestamp>,
    /// Units that one user may hold.
    pub per_user_limit: Option<u32>,
}

/// What `open_sale.lua` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The sale is new.
    Claimed,
    /// It exists, with the same terms.
    Same,
    /// It exists, and these terms differ; they are named as in the body of `PUT /products/{id}`.
    Different(Vec<String>),
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
                i64::from(terms.total).into(),
                opens_at.into(),
                or_empty(terms.opens_at.map(Timestamp::as_millisecond)),
                or_empty(terms.closes_at.map(Timestamp::as_millisecond)),
                or_empty(terms.per_user_limit.map(i64::from)),
                i64::from(partition).into(),
            ];
            let keys = SaleKeys::new(product, tag, opens_at).all();
            let reply: Vec<String> = self
                .run("open_sale", &self.scripts.open_sale, keys, arguments)
                .await?;
            match reply.first().map(String::as_str) {
                Some("claimed") => return Ok(Claim::Claimed),
                Some("same") => return Ok(Claim::Same),
                Some("different") => return Ok(Claim::Different(reply[1..].to_vec())),
                Some("rebuilding") => return Ok(Claim::Rebuilding),
                Some("taken") => {}
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
fn or_empty(value: Option<i64>) -> Value {
    value.map_or_else(|| Value::from(""), Value::from)
}
