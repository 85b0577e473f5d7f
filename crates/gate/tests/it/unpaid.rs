//! The limit of unpaid orders in a sale with holds.

use std::time::Duration;

use fluxgate_gate::{Ack, Acked, Expiries, Retirement};
use fred::interfaces::KeysInterface;

use crate::fixture::{RedisSale, connect, number, redis};
use crate::sale_model::OrderCall;

const fn order(user: u8, key: u8) -> OrderCall {
    OrderCall {
        user,
        key,
        quantity: 1,
    }
}

/// An open sale of three units in which one unpaid order is one too many, without other limits.
async fn sale() -> RedisSale {
    let mut sale = RedisSale::new(connect(), false).await.with_holds();
    (sale.user_limit, sale.unpaid_per_user) = (None, 1);
    sale.claim_and_open(3).await;
    sale
}

#[tokio::test]
async fn a_user_with_as_many_unpaid_orders_gets_no_further_one() {
    let sale = sale().await;
    // Open holds do not count.
    let open = sale.reserve(&[order(1, 0), order(1, 1)], number(0)).await;
    assert_eq!(open, ["reserved 1", "reserved 2"]);
    assert_eq!(sale.ack(&[Ack::Event(number(1).into())]).await, 1);
    assert!(matches!(sale.expire(number(0)).await, Expiries::Noted(orders) if orders.len() == 1));
    // An expiry counts when its units return.
    let before = sale.reserve(&[order(1, 2)], number(0)).await;
    assert_eq!(before, ["reserved 4"]);
    let applied = sale.store.ack_and_apply(&sale.keys, number(3).into()).await;
    assert_eq!(applied.unwrap(), Acked::Applied);
    let calls = [order(1, 3), order(1, 1), order(2, 0), order(3, 0)];
    let expected = ["UnpaidLimit", "known 2 true", "reserved 5", "SoldOut"];
    assert_eq!(sale.reserve(&calls, number(0)).await, expected);
    // A sale without units says so first.
    let sold_out = sale.reserve(&[order(1, 3)], number(0)).await;
    assert_eq!(sold_out, ["SoldOut"]);
}

#[tokio::test]
async fn without_the_users_hash_no_limit_of_unpaid_orders_is_lifted() {
    let sale = sale().await;
    assert_eq!(
        sale.reserve(&[order(1, 0)], number(0)).await,
        ["reserved 1"]
    );
    assert_eq!(sale.close(number(0)).await, "recorded 2 true");
    let users = sale.keys.users.clone();
    assert_eq!(redis().await.del::<i64, _>(users).await.unwrap(), 1);
    let (store, keys) = (&sale.store, &sale.keys);
    let page = store.read_outbox(keys, None, number(9), 10).await.unwrap();
    let snapshot = store.snapshot(keys).await.unwrap().unwrap();
    assert!(page.is_lost && snapshot.is_lost);
    assert_eq!(
        sale.ack(&[1, 2].map(|it| Ack::Event(number(it).into())))
            .await,
        2
    );
    let retired = store.retire(keys, Duration::from_secs(1)).await.unwrap();
    assert_eq!(retired, Retirement::NotYet);
}

#[tokio::test]
async fn an_order_finds_the_users_hash_lost() {
    let sale = sale().await;
    assert_eq!(
        sale.reserve(&[order(1, 0)], number(0)).await,
        ["reserved 1"]
    );
    let users = sale.keys.users.clone();
    assert_eq!(redis().await.del::<i64, _>(users).await.unwrap(), 1);
    let answers = sale.reserve(&[order(1, 1), order(1, 0)], number(0)).await;
    assert_eq!(answers, ["Lost", "known 1 true"]);
}
