//! A Redis that is restarted while a key is read in pages: its cursors mean nothing to the new process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_gate::{ReservationStore, SaleKeys};
use fred::clients::Client;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::Key;
use fred::types::config::Config;
use tokio::time::{sleep, timeout};

use crate::fixture::connect_to;

const FIELDS: u32 = 300_000;
/// A fraction of what reading them takes.
const BEFORE_RESTART: Duration = Duration::from_millis(30);

/// A Redis of its own, whose data outlive its process.
struct OwnRedis {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl OwnRedis {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let name = format!("fluxgate-redis-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let process = launch(&folder, port);
        Self {
            folder,
            port,
            process,
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = launch(&self.folder, self.port);
    }

    async fn run(&self, script: &str, key: &Key) {
        let client = Client::new(Config::from_url(&self.url()).unwrap(), None, None, None);
        client.init().await.unwrap();
        client
            .eval::<(), _, _, _>(script, vec![key.clone()], Vec::<String>::new())
            .await
            .unwrap();
        client.quit().await.unwrap();
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn launch(folder: &Path, port: u16) -> Child {
    let stack = std::env::var("STACK_DIR").expect("STACK_DIR is set: run `make test`");
    let mut server = Command::new(Path::new(&stack).join("redis/redis-server"));
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    server
        .args(["--save", "", "--appendonly", "yes", "--dir"])
        .arg(folder);
    server.stdout(Stdio::null()).spawn().unwrap()
}

async fn connected(redis: &OwnRedis) -> ReservationStore {
    let store = connect_to(redis.url(), 5_000);
    store.now().await.unwrap();
    store
}

#[tokio::test]
async fn records_are_read_whole_or_not_at_all() {
    let mut redis = OwnRedis::start();
    let store = connected(&redis).await;
    let product = ProductId::parse("restarted").unwrap();
    let keys = SaleKeys::new(&product, Tag::of(&product), 0);
    let fill = format!(
        "for n = 1, {FIELDS} do redis.call('HSET', KEYS[1], string.format('restock:00000000-0000-0000-0000-%012d', n), '1-' .. n .. ' 0 1') end"
    );
    redis.run(&fill, &keys.orders).await;
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
    redis.run(&fill, &key).await;
    let mut sales = Box::pin(store.indexed());
    let early = timeout(BEFORE_RESTART, &mut sales).await;
    assert!(early.is_err(), "the index was read before the restart");
    redis.restart();
    if let Ok(sales) = sales.await {
        assert_eq!(sales.len(), FIELDS as usize);
    }
}
