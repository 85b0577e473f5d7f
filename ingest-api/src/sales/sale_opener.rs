use std::sync::Arc;

use fluxgate_domain::events::Event;
use fluxgate_domain::ids::ProductId;
use fluxgate_domain::{Terms, partition};
use fluxgate_gate::{AckedEvent, Claim, GateError, OptionalKeys, ReservationStore, SaleView};
use fluxgate_log::Publication;

use super::published_entry::{ADMIN_PUBLISH_WAIT, publish_change};
use super::{Publisher, SaleAmender, SaleCache, SaleLookupError};
use crate::config::SaleFeatures;

/// Opens sales: claims the product in Redis, publishes the opening, then lets the sale take orders. A repeated call
/// finishes an opening that was interrupted.
pub struct SaleOpener {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    features: SaleFeatures,
    /// `None`: sales are not amended.
    amender: Option<SaleAmender>,
}

/// A sale that takes orders from its opening time on.
#[derive(Debug)]
pub struct Opened {
    /// The sale.
    pub view: SaleView,
    /// Whether this call opened it.
    pub newly: bool,
}

/// Why a sale was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path of a URL cannot name the sale.
    #[error("productId must not be `.` or `..`: clients remove them from the path of a URL")]
    DotSegment,
    /// A term of a feature that SALE_FEATURES does not name.
    #[error("{term} needs the feature `{feature}` in SALE_FEATURES")]
    FeatureDisabled {
        /// The name of the term in the request.
        term: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// The sale exists, and these terms differ.
    #[error("the sale exists with other terms: {}", .0.join(", "))]
    Exists(Vec<&'static str>),
    /// The sale exists, these terms differ, and they stay because of its orders.
    #[error("the sale has, or had, orders, so its terms stay; these differ: {}", .0.join(", "))]
    HasOrders(Vec<&'static str>),
    /// The sale exists, these terms differ, and they stay because of its orders, of those who joined its queue, or of its start.
    #[error("somebody has ordered from the sale or joined its queue, or the queue has started, so its terms stay; these differ: {}", .0.join(", "))]
    HasJoins(Vec<&'static str>),
    /// The sale exists, these terms differ, and they stay because the sale is closed.
    #[error("the sale is closed, so its terms stay; these differ: {}", .0.join(", "))]
    Closed(Vec<&'static str>),
    /// Another call changes the sale at the same time.
    #[error("another call has changed the sale; repeat the call")]
    Overtaken,
    /// The ledger has the sale, Redis has lost it.
    #[error("the ledger has this sale, but Redis has lost its data")]
    RebuildRequired,
    /// PostgreSQL is unavailable, so a sale that Redis has lost cannot be ruled out.
    #[error("PostgreSQL is unavailable")]
    Undecided,
    /// Kafka has not acknowledged the opening or the amendment, or an earlier change. What Redis has noted stands: a repeated call or the outbox relay finishes it.
    #[error("Kafka has not acknowledged an event of this sale yet; repeat the call")]
    NotPublished,
    /// Redis gave no usable answer.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl SaleOpener {
    /// Opens sales in `store` and publishes their openings through `publisher`.
    pub fn new(
        store: ReservationStore,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        features: SaleFeatures,
        amender: Option<SaleAmender>,
    ) -> Self {
        Self {
            store,
            sales,
            publisher,
            features,
            amender,
        }
    }

    /// Opens the sale of `product` on these terms, or confirms that it is open on them. The terms of a sale that exists stay.
    ///
    /// # Errors
    /// If the sale is not open on these terms. After [`OpenError::NotPublished`] and [`OpenError::Gate`] a repeated call
    /// finishes the opening.
    pub async fn open(&self, product: &ProductId, terms: &Terms) -> Result<Opened, OpenError> {
        self.open_with(product, terms, None).await
    }

    /// As [`Self::open`], but amends a sale that exists on other terms, if sales may be amended.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_or_amend(
        &self,
        product: &ProductId,
        terms: &Terms,
    ) -> Result<Opened, OpenError> {
        self.open_with(product, terms, self.amender.as_ref()).await
    }

    async fn open_with(
        &self,
        product: &ProductId,
        terms: &Terms,
        amender: Option<&SaleAmender>,
    ) -> Result<Opened, OpenError> {
        if product.is_dot_segment() {
            return Err(OpenError::DotSegment);
        }
        self.expect_enabled(terms)?;
        let partition = match self.store.sale(product).await? {
            Some(known) => known.facts.partition,
            None => match self.sales.lookup_error(product).await {
                SaleLookupError::Unknown => self.partition_of_new_sale(product).await?,
                SaleLookupError::Over(view) => {
                    expect_same(&view, terms)?;
                    return Ok(Opened {
                        view: *view,
                        newly: false,
                    });
                }
                SaleLookupError::Lost => return Err(OpenError::RebuildRequired),
                SaleLookupError::Undecided => return Err(OpenError::Undecided),
                SaleLookupError::Gate(error) => return Err(error.into()),
            },
        };
        let claim = self.store.claim(product, terms, partition).await?;
        if claim == Claim::Rebuilding {
            return Err(OpenError::RebuildRequired);
        }
        let claimed = self.view(product).await?;
        if !claimed.opening {
            let view = self.with_terms(claimed, terms, amender).await?;
            return Ok(Opened { view, newly: false });
        }
        // Whatever this call asks for: no answer about a sale that is not open yet.
        self.publish(&claimed).await?;
        expect_same(&claimed, terms)?;
        Ok(Opened {
            view: self.view(product).await?,
            newly: true,
        })
    }

    /// Gives a sale these terms, if it has others and may be amended.
    async fn with_terms(
        &self,
        sale: SaleView,
        terms: &Terms,
        amender: Option<&SaleAmender>,
    ) -> Result<SaleView, OpenError> {
        let different = sale.terms.different(terms, sale.facts.opens_at);
        // The call that amended the sale may not have published it.
        if different.is_empty() && sale.amended.is_none() {
            return Ok(sale);
        }
        let to = match different[..] {
            [] => &sale.terms,
            _ => terms,
        };
        match amender {
            Some(amender)
                if !different.contains(&"quantity")
                    && OptionalKeys::of(&sale.terms) == OptionalKeys::of(terms) =>
            {
                amender.amend(&sale, to, different).await?;
                self.view(&sale.facts.product).await
            }
            _ if different.is_empty() => Ok(sale),
            _ => Err(OpenError::Exists(different)),
        }
    }

    /// Refuses terms that instances of another version might not know.
    fn expect_enabled(&self, terms: &Terms) -> Result<(), OpenError> {
        let SaleFeatures { holds, limits, .. } = self.features;
        let said = [
            ("holdSeconds", terms.hold_seconds.is_some(), "holds", holds),
            (
                "ordersPerSecond",
                terms.orders_per_second.is_some(),
                "limits",
                limits,
            ),
            (
                "ordersPerUser",
                terms.orders_per_user.is_some(),
                "limits",
                limits,
            ),
        ];
        let disabled = said
            .into_iter()
            .find(|(_, is_said, _, is_enabled)| *is_said && !is_enabled);
        match disabled {
            Some((term, _, feature, _)) => Err(OpenError::FeatureDisabled { term, feature }),
            None => Ok(()),
        }
    }

    async fn partition_of_new_sale(&self, product: &ProductId) -> Result<i32, OpenError> {
        let partitions = self.publisher.partitions().await;
        Ok(partition::of(
            product,
            partitions.ok_or(OpenError::NotPublished)?,
        ))
    }

    async fn publish(&self, claimed: &SaleView) -> Result<(), OpenError> {
        let product = &claimed.facts.product;
        let Some(sale) = self.sales.find_in_redis(product).await? else {
            return Err(OpenError::NotPublished);
        };
        let event = Event::SaleOpened(claimed.opened_event().into());
        let number = claimed.number;
        let acked = AckedEvent::new(number, &event);
        let (publisher, wait) = (&self.publisher, ADMIN_PUBLISH_WAIT);
        match publish_change(publisher, &sale, number, event, wait).await {
            Publication::Acknowledged => {
                self.store.ack_and_apply(&sale.keys, acked).await?;
                tracing::info!(sale.product = %product, "sale opened");
                Ok(())
            }
            Publication::Waiting => Err(OpenError::NotPublished),
        }
    }

    async fn view(&self, product: &ProductId) -> Result<SaleView, OpenError> {
        let view = self.store.sale(product).await?;
        view.ok_or(OpenError::NotPublished)
    }
}

/// Refuses other terms than those of a sale that exists.
fn expect_same(sale: &SaleView, terms: &Terms) -> Result<(), OpenError> {
    let different = sale.terms.different(terms, sale.facts.opens_at);
    if different.is_empty() {
        Ok(())
    } else {
        Err(OpenError::Exists(different))
    }
}
