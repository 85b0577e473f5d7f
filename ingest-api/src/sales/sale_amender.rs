use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::Terms;
use fluxgate_domain::events::Event;
use fluxgate_domain::records::AmendmentRecord;
use fluxgate_gate::{Amendment, ChangeContext, OutboxEntry, ReservationStore, SaleView};
use fluxgate_log::{Publication, Wait};

use super::{OpenError, PublishedEntry, Publisher, Sale, SaleCache};

/// How long an amendment waits for Kafka.
const PUBLISH_WAIT: Duration = Duration::from_secs(8);

/// Gives sales other terms, as long as nobody has ordered. A repeated call finishes an amendment that was interrupted.
pub struct SaleAmender {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
}

impl SaleAmender {
    /// Amends sales in `store` and publishes the amendments through `publisher`.
    pub fn new(store: ReservationStore, sales: Arc<SaleCache>, publisher: Publisher) -> Self {
        Self {
            store,
            sales,
            publisher,
        }
    }

    /// Gives a sale the terms `to`; these are `different`. When this returns, Kafka has the amendment.
    ///
    /// # Errors
    /// If the sale is not known to have these terms.
    pub async fn amend(
        &self,
        from: &SaleView,
        to: &Terms,
        different: Vec<&'static str>,
    ) -> Result<(), OpenError> {
        let product = &from.facts.product;
        let Some(sale) = self.sales.find_in_redis(product).await? else {
            return Err(OpenError::Overtaken);
        };
        let context = ChangeContext {
            product,
            keys: &sale.keys,
            high_water_mark: sale.high_water_mark(),
            // Its entry is the only one.
            outbox_max: 1,
        };
        match self.store.amend(context, &from.terms, to).await? {
            Amendment::Amended { record, waiting } => {
                sale.observe(record.number);
                if waiting {
                    self.publish(&sale, record).await?;
                    tracing::info!(sale.product = %product, sale.terms = %to.to_json(), "sale amended");
                }
                Ok(())
            }
            Amendment::Ordered => Err(OpenError::HasOrders(different)),
            Amendment::Closed => Err(OpenError::Closed(different)),
            Amendment::Overtaken | Amendment::Unknown => Err(OpenError::Overtaken),
            Amendment::Waiting | Amendment::NotOpen => Err(OpenError::NotPublished),
            Amendment::Behind | Amendment::Lost => Err(OpenError::RebuildRequired),
        }
    }

    async fn publish(&self, sale: &Arc<Sale>, record: AmendmentRecord) -> Result<(), OpenError> {
        let event = Event::SaleAmended(record.event(&sale.facts.product));
        let entry = Some(OutboxEntry::of_one(record.number));
        let message = PublishedEntry::message(sale, record.number, entry, event);
        let wait = Wait::AtMost(PUBLISH_WAIT);
        match self.publisher.publish(message, wait).await {
            // The outbox acker removes the entry.
            Publication::Acknowledged => Ok(()),
            Publication::Waiting => Err(OpenError::NotPublished),
        }
    }
}
