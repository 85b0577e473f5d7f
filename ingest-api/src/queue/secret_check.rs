use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::ReservationStore;
use fluxgate_service::ops::Check;
use futures_util::{StreamExt, stream};
use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;

use super::Queues;
use super::queues::is_over;

const INTERVAL: Duration = Duration::from_secs(5);
/// Sales that are read at the same time.
const READS: usize = 64;
/// How long it reads sales before it shows what it knows.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// Sales that the check names.
const NAMED_MAX: usize = 10;

/// Looks for sales that are not over and whose queue this instance cannot serve, because QUEUE_SECRETS lacks their secret. While there
/// is one, the instance is not ready.
pub struct SecretCheck {
    store: ReservationStore,
    queues: Arc<Queues>,
    check: Check,
    sales_without_secret: IntGauge,
    /// Sales that need not be read again: they have no queue, are over, or their secret is there. If an amendment gives one another
    /// secret, the next call to its queue finds that, and it is read again.
    passed: HashSet<ProductId>,
}

impl SecretCheck {
    /// A check that has looked at no sale yet.
    pub fn new(
        store: ReservationStore,
        queues: Arc<Queues>,
        check: Check,
        sales_without_secret: IntGauge,
    ) -> Self {
        Self {
            store,
            queues,
            check,
            sales_without_secret,
            passed: HashSet::new(),
        }
    }

    /// Looks every five seconds until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let looking = async {
            loop {
                self.look().await;
                tokio::time::sleep(INTERVAL).await;
            }
        };
        shutdown.run_until_cancelled(looking).await;
    }

    async fn look(&mut self) {
        match self.store.indexed().await {
            Ok(indexed) => {
                let indexed: HashSet<_> = indexed.into_iter().map(|it| it.product).collect();
                let lacking = self.queues.without_secret();
                let passes = |it: &ProductId| indexed.contains(it) && !lacking.contains(it);
                self.passed.retain(passes);
                let unknown = indexed.difference(&self.passed).cloned().collect();
                // A master of a Cluster that is away must not keep the instance from being ready for long.
                let _ = tokio::time::timeout(READ_LIMIT, self.read(unknown)).await;
                let is_left = |it: &ProductId| indexed.contains(it) && !self.passed.contains(it);
                self.queues.retain_without_secret(is_left);
            }
            // The check of Redis tells. What was found before still counts. A master of a Cluster that is away must not keep the instance
            // from being ready.
            Err(error) => {
                tracing::debug!(%error, "failed to look for sales without a secret; trying again");
            }
        }
        self.show(&self.queues.without_secret());
    }

    async fn read(&mut self, products: Vec<ProductId>) {
        let store = &self.store.clone();
        let read = |product| async move { (store.sale(&product).await, product) };
        let mut reads = pin!(stream::iter(products).map(read).buffer_unordered(READS));
        while let Some((view, product)) = reads.next().await {
            // Otherwise it is being rebuilt, or its master is away: it is read again.
            if let Ok(Some(view)) = view
                && (is_over(&view) || !self.queues.lacks_secret(&view))
            {
                self.passed.insert(product);
            }
        }
    }

    fn show(&self, lacking: &HashSet<ProductId>) {
        let count = lacking.len();
        self.sales_without_secret
            .set(i64::try_from(count).unwrap_or(i64::MAX));
        if count == 0 {
            return self.check.pass();
        }
        let mut named: Vec<_> = lacking.iter().map(ProductId::as_str).collect();
        named.sort_unstable();
        if count > NAMED_MAX {
            named.truncate(NAMED_MAX);
            named.push("…");
        }
        let named = named.join(", ");
        self.check.fail(format!(
            "QUEUE_SECRETS lacks the secrets of {count} sales with a queue ({named})"
        ));
    }
}
