use std::sync::Arc;

use fluxgate_service::ops::Readiness;
use fluxgate_service::settings::Switch;

use super::Components;
use crate::events::{EventLimits, SaleEvents};
use crate::http::{Access, Identity, RecentJoins, Services, TryLimits, WaitingRoom};
use crate::orders::{CancelOrder, CompleteOrder};
use crate::queue::ProofOfWork;
use crate::sales::{SaleAmender, SaleChanges, SaleOpener, SaleSnapshots};

impl Components {
    /// What the HTTP handlers of all threads share; of it `streams_max` event streams.
    pub fn services(&self, readiness: &Readiness, streams_max: u32) -> Services {
        let (store, sales, publisher) = (&self.store, &self.sales, &self.publisher);
        let features = self.config.sales.sale_features.unwrap_or_default();
        let amender = (self.config.sales.sale_amendments == Switch::On)
            .then(|| SaleAmender::new(store.clone(), Arc::clone(sales), publisher.clone()));
        let opener = SaleOpener::new(
            store.clone(),
            Arc::clone(sales),
            publisher.clone(),
            features,
            amender,
        );
        let changes = SaleChanges::new(
            store.clone(),
            Arc::clone(sales),
            publisher.clone(),
            Arc::clone(&self.written),
            self.config.outbox.outbox_max,
            self.metrics.clone(),
        );
        let changes = Arc::new(changes);
        let cancel_order = CancelOrder::new(
            Arc::clone(&changes),
            store.clone(),
            Arc::clone(sales),
            publisher.clone(),
        );
        let changes_of_orders = Arc::clone(&changes);
        let snapshots = Arc::new(SaleSnapshots::new(store.clone(), self.metrics.clone()));
        let events = self.sale_events(Arc::clone(&snapshots), readiness, streams_max);
        Services {
            opener,
            changes,
            complete_order: CompleteOrder::new(changes_of_orders, Arc::clone(sales)),
            cancel_order,
            events: Arc::new(events),
            snapshots,
            sales: Arc::clone(sales),
            access: self.access(),
            try_limits: TryLimits::new(&self.config.rate_limits, &self.metrics),
            queues: Arc::clone(&self.queues),
            recent_joins: Arc::new(RecentJoins::new(&self.metrics)),
            proof_of_work: ProofOfWork::of_digits(self.config.queue.queue_work_digits),
            waiting_room: WaitingRoom::new(&self.config.compat, features),
            queue_secret: self.queue_secret.clone(),
        }
    }

    fn sale_events(
        &self,
        snapshots: Arc<SaleSnapshots>,
        readiness: &Readiness,
        streams_max: u32,
    ) -> SaleEvents {
        let limits = EventLimits {
            streams_max,
            // The server closes what is left after two thirds.
            drain: self.config.shutdown.timeout() / 3,
        };
        let sales = Arc::clone(&self.sales);
        let (readiness, tasks) = (readiness.clone(), self.tasks.clone());
        SaleEvents::new(
            snapshots,
            sales,
            limits,
            readiness,
            tasks,
            self.metrics.clone(),
        )
    }

    fn access(&self) -> Access {
        let config = &self.config;
        let identity = self.identity.as_ref().map(|it| Identity {
            verifier: Arc::clone(&it.verifier),
            cookie: config.identity.auth_cookie.clone(),
            origins: config.pages.cors_origins.clone(),
        });
        let refusals = self.metrics.access_refusals_total.clone();
        Access::new(config.admin.admin_token.clone(), identity, refusals)
    }
}
