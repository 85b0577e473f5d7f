use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{IdempotencyKey, ProductId, QueueChangeId};
use fluxgate_domain::queue::QueuePatch;
use fluxgate_gate::SaleView;

use super::{COUNTING_PUBLISH_WAIT, SaleChanges};
use crate::sales::ChangeError;

impl SaleChanges {
    /// Changes how the queue of a sale is served, once per key. It counts at once.
    ///
    /// # Errors
    /// If the queue is not known to be changed.
    pub async fn change_queue(
        &self,
        product: &ProductId,
        patch: &QueuePatch,
        key: &IdempotencyKey,
    ) -> Result<SaleView, ChangeError> {
        let id = QueueChangeId::derive(product, key);
        let sale = self.sales.find(product).await?;
        let change = self.store.change_queue(self.context(&sale), id, patch);
        let (change, waiting) = self.recorded(change.await?, &sale).await?;
        if !patch.agrees_with(&change.settings) {
            return Err(ChangeError::KeyReused);
        }
        sale.observe(change.number);
        if waiting {
            let event = Event::QueueChanged(change.event(id, product));
            // If Kafka does not acknowledge it, it stays in the outbox.
            self.publish(&sale, event, change.number, COUNTING_PUBLISH_WAIT)
                .await;
            let settings = change.settings;
            tracing::info!(sale.product = %product, queue.settings = %settings, "queue changed");
        }
        self.view(product).await
    }
}
