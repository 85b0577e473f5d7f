//! Connections to the Redis of these tests.

use fluxgate_gate::{GateMetrics, ReservationStore};
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::settings::{OnRedisLoss, RedisSettings};
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use prometheus::Registry;

/// The Redis database of these tests. The others are used by tests whose instances would publish the outbox entries here.
const REDIS_DATABASE: u32 = 63;

pub fn redis_url() -> String {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is set: run `make test`");
    format!("{url}/{REDIS_DATABASE}")
}

pub async fn redis() -> Client {
    let redis = Client::new(Config::from_url(&redis_url()).unwrap(), None, None, None);
    redis.init().await.unwrap();
    redis
}

pub fn connect() -> ReservationStore {
    connect_to(redis_url(), 1_000)
}

pub fn connect_to(redis_url: String, redis_timeout_ms: u64) -> ReservationStore {
    connect_with(settings(redis_url, redis_timeout_ms))
}

/// A store whose orders wait for a replica, which Redis does not have.
pub fn connect_waiting_for_a_replica() -> ReservationStore {
    connect_with(RedisSettings {
        redis_wait_replicas: 1,
        ..settings(redis_url(), 1_000)
    })
}

fn settings(redis_url: String, redis_timeout_ms: u64) -> RedisSettings {
    RedisSettings {
        redis_url,
        redis_ca_file: None,
        redis_timeout_ms,
        redis_connections: 1,
        redis_wait_replicas: 0,
        on_redis_loss: OnRedisLoss::Stop,
    }
}

fn connect_with(settings: RedisSettings) -> ReservationStore {
    let metrics = GateMetrics::register(&Registry::new(), "ingest_api");
    ReservationStore::connect(&settings, metrics, &EssentialTasks::default()).unwrap()
}
