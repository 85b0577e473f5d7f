//! Sales that are amended before their first order.

use std::time::Duration;

use fluxgate_domain::Terms;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::OrdersPerSecond;
use fluxgate_gate::{Ack, Amendment, Answer, Reservation, SaleRequests, SaleView};
use jiff::Timestamp;

use crate::fixture::{RedisSale, connect, number, outcomes};
use crate::sale_model::order;

async fn view(sale: &RedisSale) -> SaleView {
    let view = sale.store.sale(&sale.product).await.unwrap();
    view.unwrap()
}

/// An open sale of ten units without limits.
async fn sale() -> RedisSale {
    let mut sale = RedisSale::new(connect(), false).await;
    sale.user_limit = None;
    sale.claim_and_open(10).await;
    sale
}

async fn amend(sale: &RedisSale, to: &Terms) -> Amendment {
    let from = view(sale).await.terms;
    let amended = sale.store.amend(&sale.keys, number(0), &from, to);
    amended.await.unwrap()
}

/// Orders of an instance that knows this opening time, and the limits.
async fn reserve(sale: &RedisSale, opens_at: Timestamp, users: &[u8]) -> Vec<String> {
    let calls: Vec<_> = users.iter().copied().map(order).collect();
    let SaleRequests {
        sale: mut context,
        requests,
    } = sale.requests(&calls, number(0));
    (context.opened_at, context.is_limited) = (opens_at, true);
    outcomes(sale.store.reserve(&context, requests).await.unwrap())
}

#[tokio::test]
async fn a_sale_that_opens_at_another_time_keeps_its_keys_and_the_time_of_its_ids() {
    let sale = sale().await;
    let before = view(&sale).await;
    let later = before.seen_at + Duration::from_secs(3_600);
    let to = Terms {
        opens_at: Some(later),
        closes_at: Some(later + Duration::from_secs(60)),
        per_user_limit: Some(1),
        orders_per_second: OrdersPerSecond::try_from(1).ok(),
        ..before.terms
    };
    let Amendment::Amended {
        record,
        waiting: true,
    } = amend(&sale, &to).await
    else {
        panic!("the sale was not amended");
    };
    let after = view(&sale).await;
    assert_eq!((after.terms, after.amended), (to, Some(number(1))));
    assert_eq!(
        after.facts.opens_at.as_millisecond(),
        later.as_millisecond()
    );
    assert_eq!(after.facts.id_time, before.facts.opens_at);
    assert_eq!(after.facts.per_user_limit, Some(1));
    let opening = after.opened_event();
    assert_eq!(opening.id_time, Some(before.facts.opens_at));

    // Instances learn of it when they order.
    assert_eq!(reserve(&sale, sale.opens_at, &[1]).await, ["Moved"]);
    let refused = reserve(&sale, after.facts.opens_at, &[1]).await.remove(0);
    assert!(refused.starts_with("NotOpen"), "{refused}");

    let page = sale
        .store
        .read_outbox(&sale.keys, None, number(9), 10)
        .await
        .unwrap();
    assert_eq!(
        page.closes_at,
        to.closes_at
            .map(|at| Timestamp::from_millisecond(at.as_millisecond()).unwrap())
    );
    let event = page.events[0].event(&sale.product);
    assert_eq!(
        event,
        Some(Event::SaleAmended(record.event(&sale.product).into()))
    );
    let records = sale.store.records(&sale.keys).await.unwrap();
    assert_eq!((records.amendments, records.unreadable), (vec![*record], 0));

    // Back again, once the first is on Kafka.
    assert_eq!(amend(&sale, &before.terms).await, Amendment::Waiting);
    assert_eq!(sale.ack_by_name().await, 1);
    let Amendment::Amended { record, .. } = amend(&sale, &before.terms).await else {
        panic!("the sale was not amended");
    };
    assert_eq!(record.number, number(2));
    let back = view(&sale).await.facts;
    assert_eq!(
        (back.opens_at, back.id_time),
        (before.facts.opens_at, before.facts.opens_at)
    );
    let orders = reserve(&sale, back.opens_at, &[1, 2]).await;
    assert_eq!(orders, ["reserved 3", "reserved 4"], "no limit is left");
}

#[tokio::test]
async fn a_sale_that_was_to_open_later_opens_now() {
    let mut sale = RedisSale::new(connect(), false).await;
    let id_time = sale.opens_at + Duration::from_secs(3_600);
    sale.opens_at = id_time;
    sale.keys = fluxgate_gate::SaleKeys::new(
        &sale.product,
        fluxgate_domain::ids::Tag::of(&sale.product),
        id_time.as_millisecond(),
        fluxgate_gate::OptionalKeys::default(),
    );
    sale.claim_and_open(3).await;
    let to = Terms {
        opens_at: None,
        ..view(&sale).await.terms
    };
    assert!(matches!(amend(&sale, &to).await, Amendment::Amended { .. }));
    let after = view(&sale).await;
    assert!(after.facts.opens_at <= after.seen_at && after.facts.id_time == id_time);
    // A further amendment that does not name a time leaves it.
    assert_eq!(sale.ack(&[Ack::Event(number(1).into())]).await, 1);
    let to = Terms {
        per_user_limit: Some(1),
        ..to
    };
    assert!(matches!(amend(&sale, &to).await, Amendment::Amended { .. }));
    assert_eq!(view(&sale).await.facts.opens_at, after.facts.opens_at);
    let orders = reserve(&sale, after.facts.opens_at, &[1, 1]).await;
    assert_eq!(orders, ["reserved 3", "known 3 true"]);
}

#[tokio::test]
async fn an_instance_that_does_not_know_of_the_limits_takes_nothing() {
    let (sale, free) = (sale().await, sale().await);
    let to = Terms {
        orders_per_second: OrdersPerSecond::try_from(1).ok(),
        ..view(&sale).await.terms
    };
    assert!(matches!(amend(&sale, &to).await, Amendment::Amended { .. }));
    assert!(view(&sale).await.facts.is_limited && !view(&free).await.facts.is_limited);

    // The fixture of the sale was made before the amendment.
    let orders = [1, 2].map(order);
    assert_eq!(sale.reserve(&orders, number(0)).await, ["Moved", "Moved"]);
    let sales = || [&sale, &free].map(|sale| sale.requests(&orders, number(0)));
    let shared = async |sales: [SaleRequests<'_>; 2]| {
        outcomes(sale.store.reserve_sales(sales.into()).await.unwrap())
    };
    let expected = ["Moved", "Moved", "reserved 1", "reserved 2"];
    assert_eq!(shared(sales()).await, expected);

    let mut sales = sales();
    sales[0].sale.is_limited = true;
    let expected = ["reserved 2", "RateLimited", "known 1 true", "known 2 true"];
    assert_eq!(shared(sales).await, expected);
    let known = sale.reserve(&orders, number(0)).await;
    assert_eq!(known, ["known 2 true", "Moved"]);
}

#[tokio::test]
async fn of_an_order_and_an_amendment_that_come_together_exactly_one_is_first() {
    let (mut ordered, mut amended) = (0, 0);
    for _ in 0..60 {
        let sale = sale().await;
        let other = connect();
        let from = view(&sale).await;
        let to = Terms {
            opens_at: Some(from.seen_at + Duration::from_secs(3_600)),
            ..from.terms
        };
        let SaleRequests {
            sale: context,
            requests,
        } = sale.requests(&[order(1)], number(0));
        let amend = other.amend(&sale.keys, number(0), &from.terms, &to);
        let (answers, amendment) = tokio::join!(sale.store.reserve(&context, requests), amend);
        let answer: Answer = answers.unwrap().remove(0).unwrap();
        match (answer.reservation, amendment.unwrap()) {
            (Reservation::Reserved { .. }, Amendment::Ordered) => ordered += 1,
            (Reservation::Moved, Amendment::Amended { .. }) => amended += 1,
            other => panic!("{other:?}"),
        }
    }
    println!("first: {ordered} orders, {amended} amendments");
}

#[tokio::test]
async fn restocks_do_not_keep_a_sale_from_being_amended_but_orders_do_even_if_cancelled() {
    let sale = sale().await;
    assert_eq!(sale.restock(1, 5, number(0)).await, "recorded 1 true");
    let to = Terms {
        per_user_limit: Some(2),
        ..view(&sale).await.terms
    };
    assert_eq!(amend(&sale, &to).await, Amendment::Waiting);
    sale.store
        .ack_and_apply(&sale.keys, number(1).into())
        .await
        .unwrap();
    assert!(matches!(amend(&sale, &to).await, Amendment::Amended { .. }));
    assert_eq!(sale.ack(&[Ack::Event(number(2).into())]).await, 1);
    assert_eq!(reserve(&sale, sale.opens_at, &[1]).await, ["reserved 3"]);
    assert_eq!(sale.cancel(1, 0, number(0)).await, "recorded 4 true");
    let to = Terms {
        per_user_limit: Some(3),
        ..to
    };
    assert_eq!(amend(&sale, &to).await, Amendment::Ordered);
}

#[tokio::test]
async fn an_amendment_from_terms_that_the_sale_no_longer_has_changes_nothing() {
    let sale = sale().await;
    let from = view(&sale).await.terms;
    let [one, two] = [1, 2].map(|limit| Terms {
        per_user_limit: Some(limit),
        ..from
    });
    let amended = amend(&sale, &one).await;
    assert!(matches!(amended, Amendment::Amended { .. }));
    let amend = async |to| {
        let amended = sale.store.amend(&sale.keys, number(0), &from, to);
        amended.await.unwrap()
    };
    assert_eq!(amend(&two).await, Amendment::Overtaken);
    // The client of Redis sends a command again whose connection broke.
    assert_eq!(amend(&one).await, amended);
    assert_eq!(view(&sale).await.terms, one);
}
