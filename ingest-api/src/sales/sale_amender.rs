use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::Terms;
use fluxgate_domain::events::Event;
use fluxgate_domain::records::AmendmentRecord;
use fluxgate_gate::{Amendment, ReservationStore, SaleView};
use fluxgate_log::Publication;
use tokio::time::sleep;

use super::published_entry::{ADMIN_PUBLISH_WAIT, publish_change};
use super::{OpenError, Publisher, Sale, SaleCache};

/// How often an amendment looks whether the entry of an earlier change has left the outbox, and the pause between two looks.
const TRIES_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Gives sales other terms, as long as nobody has ordered or joined the queue. A repeated call finishes an amendment that was interrupted.
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
        match self.amend_in_redis(&sale, from, to).await? {
            Amendment::Amended { record, waiting } => {
                sale.observe(record.number);
                if waiting {
                    self.publish(&sale, *record).await?;
                    tracing::info!(sale.product = %product, sale.terms = %to.to_json(), "sale amended");
                }
                Ok(())
            }
            Amendment::Ordered if sale.facts.has_queue => Err(OpenError::HasJoins(different)),
            Amendment::Ordered => Err(OpenError::HasOrders(different)),
            Amendment::Closed => Err(OpenError::Closed(different)),
            Amendment::Overtaken | Amendment::Unknown => Err(OpenError::Overtaken),
            Amendment::Waiting | Amendment::NotOpen => Err(OpenError::NotPublished),
            Amendment::Behind | Amendment::Lost => Err(OpenError::RebuildRequired),
        }
    }

    /// Waits a moment for the outbox to become empty: an earlier amendment is answered when Kafka has it, and its entry is
    /// removed a few milliseconds later.
    async fn amend_in_redis(
        &self,
        sale: &Sale,
        from: &SaleView,
        to: &Terms,
    ) -> Result<Amendment, OpenError> {
        let mut tries = 1;
        loop {
            let seen = sale.high_water_mark();
            let amendment = self.store.amend(&sale.keys, seen, &from.terms, to);
            match amendment.await? {
                Amendment::Waiting if tries < TRIES_MAX => tries += 1,
                other => return Ok(other),
            }
            sleep(PAUSE).await;
        }
    }

    async fn publish(&self, sale: &Arc<Sale>, record: AmendmentRecord) -> Result<(), OpenError> {
        let event = Event::SaleAmended(record.event(&sale.facts.product).into());
        let (publisher, wait) = (&self.publisher, ADMIN_PUBLISH_WAIT);
        match publish_change(publisher, sale, record.number, event, wait).await {
            // The outbox acker removes the entry.
            Publication::Acknowledged => Ok(()),
            Publication::Waiting => Err(OpenError::NotPublished),
        }
    }
}
