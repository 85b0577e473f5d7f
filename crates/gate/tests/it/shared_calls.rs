//! Orders of several sales that share a call.

use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{Answer, GateError};
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::Config;

use crate::fixture::{
    RedisSale, connect, connect_waiting_for_a_replica, number, outcomes, redis_url,
};
use crate::sale_model::OrderCall;

const fn order(user: u8, quantity: u8) -> OrderCall {
    OrderCall {
        user,
        key: 0,
        quantity,
    }
}

/// Different orders of sales with 3 units, 1 unit, and none, as Redis does not have them; the last one has lost writes.
const ORDERS: [(u32, &[OrderCall], SequenceNumber); 4] = [
    (
        3,
        &[order(1, 2), order(2, 2), order(1, 2), order(3, 1)],
        number(0),
    ),
    (1, &[order(1, 1), order(4, 1)], number(0)),
    (0, &[order(1, 1)], number(0)),
    (9, &[order(1, 1), order(2, 1)], number(100)),
];

async fn sales(shares_entries: bool) -> Vec<RedisSale> {
    let mut sales = Vec::new();
    for (n, (total, ..)) in ORDERS.into_iter().enumerate() {
        let mut sale = RedisSale::new(connect(), shares_entries).await;
        sale.user_limit = sale.user_limit.filter(|_| n % 2 == 0);
        if total > 0 {
            sale.claim_and_open(total).await;
        }
        sales.push(sale);
    }
    sales
}

type Answers = Vec<Result<Answer, GateError>>;

async fn together(sales: &[RedisSale]) -> Answers {
    let requests = sales.iter().zip(ORDERS);
    let requests = requests.map(|(sale, (_, orders, mark))| sale.requests(orders, mark));
    let reserved = sales[0].store.reserve_sales(requests.collect()).await;
    reserved.unwrap()
}

#[tokio::test]
async fn each_sale_is_answered_as_if_it_had_the_call_for_itself() {
    for shares_entries in [false, true] {
        compare(sales(shares_entries).await, sales(shares_entries).await).await;
    }
}

async fn compare(shared: Vec<RedisSale>, alone: Vec<RedisSale>) {
    for is_repeated in [false, true] {
        let mut expected = Vec::new();
        for (sale, (_, orders, mark)) in alone.iter().zip(ORDERS) {
            expected.extend(sale.reserve(orders, mark).await);
        }
        assert_eq!(outcomes(together(&shared).await), expected);
        let first = if is_repeated {
            "known 1 true"
        } else {
            "reserved 1"
        };
        assert_eq!(expected[0], first);
    }
    for (shared, alone) in shared.iter().zip(&alone) {
        let [shared, alone] = [remaining(shared).await, remaining(alone).await];
        assert_eq!(shared, alone);
    }
}

async fn remaining(sale: &RedisSale) -> Option<u32> {
    let view = sale.store.sale(&sale.product).await.unwrap();
    view.map(|view| view.remaining)
}

#[tokio::test]
async fn without_its_replica_only_refusals_are_answered() {
    let mut sales = sales(true).await;
    sales[0].store = connect_waiting_for_a_replica();
    let missing = "too_few_replicas";
    let expected = [
        missing,
        "Insufficient",
        missing,
        missing,
        missing,
        "SoldOut",
        "Unknown",
        "Behind",
        "Behind",
    ];
    assert_eq!(outcomes(together(&sales).await), expected);
}

#[tokio::test]
async fn damaged_data_of_one_sale_fails_its_orders_alone() {
    let redis = Client::new(Config::from_url(&redis_url()).unwrap(), None, None, None);
    redis.init().await.unwrap();
    let sales = sales(true).await;
    let orders = sales[0].keys.orders.clone();
    let set = redis.set::<(), _, _>(orders, "no hash", None, None, false);
    set.await.unwrap();
    let answers = together(&sales).await;
    assert!(answers[0].as_ref().unwrap_err().is_damage());
    let answers = outcomes(answers);
    assert_eq!(answers[..4], ["other"; 4]);
    assert_eq!(answers[4..6], ["reserved 1", "SoldOut"]);
}
