//! A Redis that is restarted while a key is read in pages: its cursors mean nothing to the new process.

use std::time::Duration;

use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_gate::{OptionalKeys, ReservationStore, SaleKeys};
use fred::interfaces::LuaInterface;
use fred::types::Key;
use tokio::time::{sleep, timeout};

use crate::fixture::connect_to;
use crate::own_redis::OwnRedis;

const FIELDS: u32 = 300_000;
/// A fraction of what reading them takes.
const BEFORE_RESTART: Duration = Duration::from_millis(30);

async fn connected(redis: &OwnRedis) -> ReservationStore {
    let store = connect_to(redis.url(), 5_000);
    store.now().await.unwrap();
    store
}

async fn run(redis: &OwnRedis, script: &str, key: &Key) {
    let client = redis.client().await;
    let keys = vec![key.clone()];
    let done = client.eval::<(), _, _, _>(script, keys, Vec::<String>::new());
    done.await.unwrap();
}

#[tokio::test]
async fn records_are_read_whole_or_not_at_all() {
    let mut redis = OwnRedis::start();
    let store = connected(&redis).await;
    let product = ProductId::parse("restarted").unwrap();
    let keys = SaleKeys::new(&product, Tag::of(&product), 0, OptionalKeys::default());
    let fill = format!(
        "for n = 1, {FIELDS} do redis.call('HSET', KEYS[1], string.format('restock:00000000-0000-0000-0000-%012d', n), '1-' .. n .. ' 0 1') end"
    );
    run(&redis, &fill, &keys.orders).await;
    let mut records = Box::pin(store.records(&keys));
    let early = timeout(BEFORE_RESTART, &mut records).await;
    assert!(early.is_err(), "the records were read before the restart");
    redis.restart();
    if let Ok(records) = records.await {
        assert_eq!(records.restocks.len(), FIELDS as usize);
    }
    // What was not read then is there.
    sleep(Duration::from_millis(100)).await;
    let records = store.records(&keys).await.unwrap();
    assert_eq!(records.restocks.len(), FIELDS as usize);
}

#[tokio::test]
async fn the_index_is_read_whole_or_not_at_all() {
    let mut redis = OwnRedis::start();
    let store = connected(&redis).await;
    let key = Key::from("fg:sales");
    let fill = format!("for n = 1, {FIELDS} do redis.call('SADD', KEYS[1], 'sale-' .. n) end");
    run(&redis, &fill, &key).await;
    let mut sales = Box::pin(store.indexed());
    let early = timeout(BEFORE_RESTART, &mut sales).await;
    assert!(early.is_err(), "the index was read before the restart");
    redis.restart();
    if let Ok(sales) = sales.await {
        assert_eq!(sales.len(), FIELDS as usize);
    }
}
