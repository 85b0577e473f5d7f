use std::collections::HashMap;
use std::sync::Arc;

use fluxgate_domain::ids::ProductId;

use super::SaleQueue;

/// Queues that an instance knows.
const QUEUES_MAX: usize = 1_000;

/// The queues of an instance. Also those that are not served any more: Redis may get such a sale back, and lack what this instance
/// has seen.
#[derive(Default)]
pub struct QueueMap {
    queues: HashMap<ProductId, Arc<SaleQueue>>,
}

/// [`QUEUES_MAX`] queues of sales that are not closed are served.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl QueueMap {
    /// The queue of the sale of a product, if it is known.
    pub fn get(&self, product: &ProductId) -> Option<Arc<SaleQueue>> {
        self.queues.get(product).cloned()
    }

    /// Adds a queue that is to be served; returns the one of another caller, if that was faster.
    ///
    /// # Errors
    /// If there is no place for it.
    pub fn insert(&mut self, queue: &Arc<SaleQueue>) -> Result<Option<Arc<SaleQueue>>, Full> {
        let product = &queue.sale.facts.product;
        let is_same = |it: &&Arc<SaleQueue>| it.is_served() && it.binding == queue.binding;
        if let Some(faster) = self.queues.get(product).filter(is_same) {
            return Ok(Some(Arc::clone(faster)));
        }
        if self.queues.len() >= QUEUES_MAX {
            self.remove_ended();
        }
        if self.queues.len() >= QUEUES_MAX {
            return Err(Full);
        }
        self.queues.insert(product.clone(), Arc::clone(queue));
        Ok(None)
    }

    /// Removes the queues that are not served any more, and those of closed sales, which are found again if somebody asks for them.
    fn remove_ended(&mut self) {
        self.queues.retain(|_, queue| {
            let stays = queue.is_served() && !queue.is_closed();
            if !stays {
                queue.stop.cancel();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use fluxgate_gate::QueuePhase;

    use super::*;
    use crate::queue::fixture::{TestQueue, queue};

    /// A map that is full, and its queues.
    fn full() -> (QueueMap, Vec<TestQueue>) {
        let mut map = QueueMap::default();
        let queues: Vec<_> = (0..QUEUES_MAX).map(|n| queue(&format!("p{n}"))).collect();
        for TestQueue { queue, .. } in &queues {
            assert!(matches!(map.insert(queue), Ok(None)));
        }
        (map, queues)
    }

    #[test]
    fn the_queue_of_a_closed_sale_gives_way_to_a_new_one() {
        let (mut map, queues) = full();
        let new = queue("new");
        assert_eq!(map.insert(&new.queue).err(), Some(Full));
        let (closed, open) = (&queues[3], &queues[4]);
        closed.read(QueuePhase::Closed);
        open.read(QueuePhase::Open);
        assert!(matches!(map.insert(&new.queue), Ok(None)));
        assert!(map.get(&closed.queue.sale.facts.product).is_none());
        assert!(closed.queue.stop.is_cancelled());
        assert!(map.get(&open.queue.sale.facts.product).is_some());
        assert!(!open.queue.stop.is_cancelled());
        assert_eq!(map.insert(&queue("another").queue).err(), Some(Full));
    }

    #[test]
    fn a_queue_that_is_not_served_any_more_gives_way_to_a_new_one() {
        let (mut map, mut queues) = full();
        drop(queues.pop());
        assert!(matches!(map.insert(&queue("new").queue), Ok(None)));
    }

    #[test]
    fn of_two_callers_who_find_a_queue_the_first_one_serves_it() {
        let mut map = QueueMap::default();
        let (first, second) = (queue("p"), queue("p"));
        assert!(matches!(map.insert(&first.queue), Ok(None)));
        let faster = map.insert(&second.queue).unwrap();
        assert!(Arc::ptr_eq(&faster.unwrap(), &first.queue));
        drop(first.joins);
        assert!(matches!(map.insert(&second.queue), Ok(None)));
    }
}
