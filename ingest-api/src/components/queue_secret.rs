use fluxgate_domain::queue::QueueSecret;
use fluxgate_service::settings::refuse;

use crate::config::Config;

/// The secret of the queues of new sales; `None` if sales get no queues.
///
/// Exits if they may have queues and there is no secret.
pub fn queue_secret(config: &Config) -> Option<QueueSecret> {
    let features = config.sales.sale_features.unwrap_or_default();
    match (&config.queue.queue_secrets, features.queue) {
        (_, false) => None,
        (Some(secrets), true) => Some(secrets.of_new_sales().clone()),
        (None, true) => refuse("SALE_FEATURES", "`queue` needs QUEUE_SECRETS"),
    }
}
