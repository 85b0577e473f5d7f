//! Acknowledgements that name their events: after a failover, a lost event and a later one may have the same number.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::OrderId;
use fluxgate_gate::{Ack, Acked, AckedEvent, EventName, OUTBOX_PAGE_MAX};

use crate::fixture::{RedisSale, connect, number};
use crate::sale_model::order;

impl RedisSale {
    /// What waits in the outbox, each with its name, and whether it makes room. Openings have no event there.
    pub async fn named_events(&self) -> Vec<(AckedEvent, bool)> {
        let all = number(u32::MAX);
        let page = self
            .store
            .read_outbox(&self.keys, None, all, OUTBOX_PAGE_MAX);
        let waiting = page.await.unwrap().events.into_iter();
        let event = |it: fluxgate_gate::OutboxEvent| {
            let event = it.event(&self.product).unwrap();
            (AckedEvent::new(it.number, &event), event.makes_room())
        };
        waiting.map(event).collect()
    }

    /// Acknowledges all that waits by name; returns how many entries were removed.
    pub async fn ack_by_name(&self) -> u64 {
        let mut removed = 0;
        for (event, makes_room) in self.named_events().await {
            removed += match makes_room {
                true => (self.apply(event).await == Acked::Applied).into(),
                false => self.ack(&[Ack::Event(event)]).await,
            };
        }
        removed
    }

    async fn apply(&self, event: AckedEvent) -> Acked {
        self.store.ack_and_apply(&self.keys, event).await.unwrap()
    }

    async fn remaining(&self) -> u32 {
        let view = self.store.sale(&self.product).await.unwrap();
        view.unwrap().remaining
    }
}

/// Events that are not the placing of this order.
fn others(order_id: OrderId) -> [EventName; 6] {
    [
        EventName::Opening,
        EventName::Cancel(order_id),
        EventName::Expiry(order_id),
        EventName::Completion(order_id),
        EventName::QueueStart,
        EventName::Closing,
    ]
}

fn named(number: SequenceNumber, name: EventName) -> AckedEvent {
    let name = Some(name);
    AckedEvent { number, name }
}

#[tokio::test]
async fn an_order_stays_in_the_outbox_when_another_event_with_its_number_is_acknowledged() {
    let with_holds = RedisSale::new(connect(), true).await.with_holds();
    for sale in [RedisSale::new(connect(), true).await, with_holds] {
        sale.claim_and_open(10).await;
        let taken = sale.reserve(&[order(1)], number(0)).await;
        assert_eq!(taken, ["reserved 1"]);
        let taken = sale.reserve(&[order(2), order(3)], number(0)).await;
        assert_eq!(taken, ["reserved 2", "reserved 3"]);
        let waiting = sale.named_events().await;
        for (user, sequence) in [(1, 1), (2, 2), (3, 3)] {
            let stranger = EventName::Order(sale.order_id(9, 0).0);
            let wrong = others(sale.order_id(user, 0).0).into_iter();
            for name in wrong.chain([stranger]) {
                let ack = Ack::Event(named(number(sequence), name));
                assert_eq!(sale.ack(&[ack]).await, 0);
            }
        }
        assert_eq!(sale.named_events().await, waiting);
        let snapshot = sale.store.snapshot(&sale.keys).await.unwrap().unwrap();
        assert_eq!(snapshot.holds, 0);
        assert_eq!(sale.ack_by_name().await, 2);
        assert_eq!(sale.named_events().await, []);
    }
}

#[tokio::test]
async fn units_return_only_when_the_event_that_returns_them_is_acknowledged() {
    let sale = RedisSale::open(connect(), false, 10).await;
    assert_eq!(sale.reserve(&[order(1)], number(0)).await, ["reserved 1"]);
    assert_eq!(sale.cancel(1, 0, number(0)).await, "recorded 2 true");
    assert_eq!(sale.restock(1, 5, number(0)).await, "recorded 3 true");
    let ids = [sale.order_id(1, 0).0, sale.order_id(9, 0).0];
    let wrong = [
        (1, EventName::Cancel(ids[0])),
        (2, EventName::Expiry(ids[0])),
        (2, EventName::Cancel(ids[1])),
        (3, EventName::Cancel(ids[0])),
    ];
    for (sequence, name) in wrong {
        let event = named(number(sequence), name);
        assert_eq!(sale.apply(event).await, Acked::Lost);
    }
    assert_eq!(sale.remaining().await, 9);
    assert_eq!(sale.ack_by_name().await, 3);
    assert_eq!(sale.remaining().await, 15);
}

#[tokio::test]
async fn every_event_has_the_name_that_the_outbox_has() {
    let sale = RedisSale::new(connect(), false).await.with_holds();
    sale.claim_and_open(10).await;
    let orders = [1, 2, 0].map(order);
    sale.reserve(&orders, number(0)).await;
    assert_eq!(sale.ack_by_name().await, 3);
    assert_eq!(sale.complete(1, 0, number(0)).await, "recorded 4 true");
    assert_eq!(sale.cancel(2, 0, number(0)).await, "recorded 5 true");
    sale.expire(number(0)).await;
    assert_eq!(sale.restock(1, 5, number(0)).await, "recorded 7 true");
    assert_eq!(sale.close(number(0)).await, "recorded 8 true");
    assert_eq!(sale.ack_by_name().await, 5);
    assert_eq!(sale.named_events().await, []);
}
