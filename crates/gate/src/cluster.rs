//! A Redis Cluster: which master has which slots.
//!
//! fred connects to all masters of a Cluster or to none, so one dead master would keep a new client from the others for
//! ever. Here each master has connections of its own.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fluxgate_service::essential_tasks::EssentialTasks;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::{Server, ServerConfig};
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use fred::util::redis_keyslot;
use futures_util::future::{BoxFuture, select_ok};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::node::{Node, NodeSettings};

/// How often the masters are asked for the slots.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// The same while a master is not connected.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two: while calls fail or are redirected, or no master is known.
const REFRESH_PAUSE: Duration = Duration::from_millis(200);

/// The masters as they were last told.
pub struct Cluster {
    /// Of any node: the server in it is replaced.
    settings: NodeSettings,
    /// The nodes that REDIS_URL names.
    seeds: Vec<Server>,
    masters: watch::Sender<Vec<Arc<Master>>>,
    /// Named by ASK since then: nodes do not tell of a master without slots.
    asked: watch::Sender<HashSet<Server>>,
    /// The masters may have changed.
    doubted: Arc<Notify>,
}

/// A master and its slots.
pub struct Master {
    server: Server,
    slots: Vec<RangeInclusive<u16>>,
    pub node: Arc<Node>,
}

/// A server and its slots, as a node tells them.
type View = Vec<(Server, Vec<RangeInclusive<u16>>)>;

impl Cluster {
    pub fn new(settings: NodeSettings, seeds: Vec<Server>, tasks: &EssentialTasks) -> Arc<Self> {
        let cluster = Arc::new(Self {
            settings,
            seeds,
            masters: watch::Sender::default(),
            asked: watch::Sender::default(),
            doubted: Arc::default(),
        });
        tasks.spawn_finite("redis_cluster", follow(Arc::downgrade(&cluster)));
        cluster
    }

    pub fn masters(&self) -> Vec<Arc<Master>> {
        self.masters.borrow().clone()
    }

    /// A connection to the master that has the slot of `key`. Waits until the masters are known.
    ///
    /// # Errors
    /// When no master is known to have it.
    pub async fn client_of(&self, key: &[u8]) -> Result<Client, Error> {
        let slot = redis_keyslot(key);
        let mut masters = self.masters.subscribe();
        let known = masters.wait_for(|masters| !masters.is_empty());
        let Ok(Ok(masters)) = timeout(self.settings.timeout, known).await else {
            return Err(Error::new(ErrorKind::Timeout, "no master is known yet"));
        };
        let owner = masters.iter().find(|it| it.has(slot));
        let unknown = || Error::new(ErrorKind::Cluster, "no known master has the slot");
        owner.ok_or_else(unknown)?.node.client()
    }

    /// A connection to the master at `address`, which ASK names; none until it is known.
    pub fn client_at(&self, address: &str) -> Option<Client> {
        let (host, port) = address.rsplit_once(':')?;
        let server = Server::new(host, port.parse().ok()?);
        let master = self.masters().into_iter().find(|it| it.server == server);
        self.asked.send_if_modified(|asked| asked.insert(server));
        master?.node.client().ok()
    }

    /// Asks for the slots again, soon.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Asks for the slots, and connects to new masters.
    async fn refresh(&self) -> Result<(), Error> {
        let mut view = self.view().await?;
        let mut asked = self.asked.send_replace(HashSet::new());
        asked.retain(|it| view.iter().all(|(server, _)| server != it));
        view.extend(asked.into_iter().map(|server| (server, Vec::new())));
        let before = self.masters();
        let mut masters = Vec::with_capacity(view.len());
        for (server, slots) in view {
            let known = before.iter().find(|it| it.server == server);
            let node = match known {
                Some(master) => Arc::clone(&master.node),
                None => Arc::new(Node::new(self.settings_of(&server))?),
            };
            masters.push(Arc::new(Master {
                server,
                slots,
                node,
            }));
        }
        let is_gone = |old: &Arc<Master>| masters.iter().all(|it| it.server != old.server);
        for gone in before.into_iter().filter(is_gone) {
            tokio::spawn(async move { gone.node.close().await });
        }
        self.masters.send_replace(masters);
        Ok(())
    }

    /// The first answer of a master, or of a seed if no master gives one.
    async fn view(&self) -> Result<View, Error> {
        let masters = self.masters();
        let connected = masters.iter().filter(|it| it.node.is_connected());
        let asked: Vec<BoxFuture<_>> = connected
            .filter_map(|it| Some((it.node.client().ok()?, it.server.clone())))
            .map(|(client, server)| Box::pin(ask(client, server)) as BoxFuture<_>)
            .collect();
        if !asked.is_empty()
            && let Ok((view, _)) = select_ok(asked).await
        {
            return Ok(view);
        }
        let asked = self.seeds.iter().map(|seed| {
            // Tasks: those that are late close their connections all the same.
            let asking = tokio::spawn(ask_seed(self.settings_of(seed), seed.clone()));
            let answer = async move { asking.await.unwrap_or(Err(Error::new_canceled())) };
            Box::pin(answer) as BoxFuture<_>
        });
        Ok(select_ok(asked).await?.0)
    }

    fn settings_of(&self, server: &Server) -> NodeSettings {
        let mut settings = self.settings.clone();
        settings.config.server = ServerConfig::Centralized {
            server: server.clone(),
        };
        settings
    }

    /// The longest time until the slots should be asked for again.
    fn refresh_interval(&self) -> Duration {
        let masters = self.masters();
        if masters.is_empty() {
            REFRESH_PAUSE
        } else if masters.iter().any(|it| !it.node.is_connected()) {
            RETRY_INTERVAL
        } else {
            REFRESH_INTERVAL
        }
    }
}

impl Master {
    fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|slots| slots.contains(&slot))
    }

    /// A key of ours that never exists, in one of the slots.
    pub fn probe_key(&self) -> Option<Key> {
        self.slots.first()?;
        let keys = (0..u16::MAX).map(|n| format!("fg:probe:{n}"));
        let mut ours = keys.filter(|key| self.has(redis_keyslot(key.as_bytes())));
        ours.next().map(Key::from)
    }
}

/// Follows the changes of the Cluster until it is dropped.
async fn follow(cluster: Weak<Cluster>) {
    loop {
        let Some(cluster) = cluster.upgrade() else {
            return;
        };
        if let Err(error) = cluster.refresh().await {
            tracing::debug!(%error, "no node of the Redis Cluster tells its slots");
        }
        let interval = cluster.refresh_interval();
        let doubted = Arc::clone(&cluster.doubted);
        drop(cluster);
        sleep(REFRESH_PAUSE).await;
        // Ends early when a call is redirected or a master does not answer.
        let _ = timeout(interval - REFRESH_PAUSE, doubted.notified()).await;
    }
}

async fn ask_seed(settings: NodeSettings, seed: Server) -> Result<View, Error> {
    let node = Node::new(NodeSettings {
        connections: 1,
        ..settings
    })?;
    let view = ask(node.client()?, seed).await;
    node.close().await;
    view
}

async fn ask(client: Client, asked: Server) -> Result<View, Error> {
    let command = CustomCommand::new_static("CLUSTER", ClusterHash::FirstKey, false);
    let reply: Value = client.custom(command, vec!["SLOTS"]).await?;
    read(&reply, &asked).ok_or_else(|| Error::new(ErrorKind::Protocol, "no reply of CLUSTER SLOTS"))
}

/// Reads a reply of CLUSTER SLOTS: `[[first, last, [host, port, ..], replicas..], ..]`. A node that does not know its
/// own host says nothing there: it is the one that was asked.
fn read(reply: &Value, asked: &Server) -> Option<View> {
    let mut view = View::new();
    for range in array(reply)? {
        let [first, last, master, ..] = array(range)? else {
            return None;
        };
        let [host, port, ..] = array(master)? else {
            return None;
        };
        let host = host.as_str().filter(|host| !host.is_empty() && host != "?");
        let host = host.map_or_else(|| asked.host.to_string(), |host| host.to_string());
        let server = Server::new(host, number(port)?);
        let slots = number(first)?..=number(last)?;
        match view.iter_mut().find(|(known, _)| *known == server) {
            Some((_, known)) => known.push(slots),
            None => view.push((server, vec![slots])),
        }
    }
    (!view.is_empty()).then_some(view)
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = |host: &str| {
            Value::Array(vec![
                host.into(),
                port.into(),
                "id".into(),
                Value::Array(vec![]),
            ])
        };
        Value::Array(vec![first.into(), last.into(), node(host), node("replica")])
    }

    #[test]
    fn slots_are_those_of_the_masters() {
        let asked = Server::new("asked", 1);
        let reply = Value::Array(vec![
            range(0, 99, "10.0.0.1", 6379),
            range(100, 199, "", 6380),
            range(200, 16383, "10.0.0.1", 6379),
        ]);
        let expected = vec![
            (Server::new("10.0.0.1", 6379), vec![0..=99, 200..=16383]),
            (Server::new("asked", 6380), vec![100..=199]),
        ];
        assert_eq!(read(&reply, &asked), Some(expected));
    }

    #[test]
    fn a_reply_without_slots_is_none() {
        let asked = Server::new("asked", 1);
        for reply in [
            Value::Null,
            Value::Array(vec![]),
            Value::Array(vec![range(0, 99_999, "host", 1)]),
            Value::Array(vec![Value::Array(vec![0.into()])]),
        ] {
            assert_eq!(read(&reply, &asked), None, "{reply:?}");
        }
    }
}
