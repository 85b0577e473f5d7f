//! Changing how a queue is served (`change_queue.lua`).

use fluxgate_domain::ids::QueueChangeId;
use fluxgate_domain::queue::QueuePatch;
use fluxgate_domain::records::QueueChangeRecord;
use fred::types::Value;

use crate::changes::{high_water_mark_arguments, read, text};
use crate::opening::or_empty;
use crate::{Change, ChangeContext, GateError, ReservationStore};

impl ReservationStore {
    /// Changes how the queue of a sale is served, once per id. It counts at once.
    ///
    /// # Errors
    /// When Redis gave no usable answer; the queue may have been changed.
    pub async fn change_queue(
        &self,
        sale: ChangeContext<'_>,
        id: QueueChangeId,
        patch: &QueuePatch,
    ) -> Result<Change<QueueChangeRecord>, GateError> {
        let mut arguments: Vec<Value> = vec![
            id.to_string().into(),
            or_empty(patch.admit_per_second.map(|rate| rate.get().into())),
            or_empty(patch.paused.map(i64::from)),
            patch.mode.map_or("", |mode| mode.as_str()).into(),
        ];
        arguments.extend(high_water_mark_arguments(sale.high_water_mark));
        arguments.push(i64::from(sale.outbox_max).into());
        let keys = sale.keys;
        let keys = vec![keys.sale.clone(), keys.orders.clone(), keys.outbox.clone()];
        let script = &self.scripts.change_queue;
        let reply = self.run("change_queue", script, keys, arguments).await?;
        read(reply, "noted", |reply| text(reply, 1)?.parse().ok())
    }
}
