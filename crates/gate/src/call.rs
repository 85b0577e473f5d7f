//! Calls to Redis: sent to the server that has the key, timed, counted, and retried where a Cluster asks for it.
//!
//! An attempt takes the future of the client in a box: it has kilobytes, and would enlarge every future that awaits it, up to
//! those of the HTTP handlers, which are moved for each request.

use std::pin::Pin;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::scripts::Script;
use fred::types::{ClusterHash, CustomCommand, FromValue, Key, Value};
use futures_util::future::{join, join_all};

use crate::cluster::Cluster;
use crate::connection::Connections;
use crate::{GateError, ReservationStore};

/// Delays between retries, half a second in all beside the attempts. While a Cluster moves a slot, the four keys of a sale
/// may be on two nodes, and a script is answered TRYAGAIN; after a failover or a move, the slots must be asked for again.
const CLUSTER_RETRY_DELAYS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(200),
];

impl ReservationStore {
    pub(crate) async fn run<R: FromValue>(
        &self,
        call: &'static str,
        script: &Script,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<R, GateError> {
        let (reply, _) = self.run_on(call, script, keys, arguments).await?;
        Ok(reply)
    }

    /// Also returns the connection that the script ran on.
    pub(crate) async fn run_on<R: FromValue>(
        &self,
        call: &'static str,
        script: &Script,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<(R, Client), GateError> {
        if let Connections::Single(node) = &*self.connections {
            let client = node.client().map_err(|error| self.failed(error))?;
            let reply = script.evalsha_with_reload(&client, keys, arguments);
            let reply = self.timed(call, reply).await?;
            return Ok((reply, client));
        }
        let Some(key) = keys.first().cloned() else {
            return Err(GateError::unexpected("a key", call));
        };
        let run = |client: Client| {
            let (keys, arguments) = (keys.clone(), arguments.clone());
            async move { script.evalsha_with_reload(&client, keys, arguments).await }
        };
        self.on(call, &key, run).await
    }

    /// A command for the server that has `key`.
    pub(crate) async fn at<R, F: Future<Output = Result<R, Error>>>(
        &self,
        call: &'static str,
        key: &Key,
        command: impl Fn(Client) -> F,
    ) -> Result<R, GateError> {
        let (reply, _) = self.on(call, key, command).await?;
        Ok(reply)
    }

    async fn on<R, F: Future<Output = Result<R, Error>>>(
        &self,
        call: &'static str,
        key: &Key,
        command: impl Fn(Client) -> F,
    ) -> Result<(R, Client), GateError> {
        match &*self.connections {
            Connections::Single(node) => {
                let client = node.client().map_err(|error| self.failed(error))?;
                let reply = self.timed(call, command(client.clone())).await?;
                Ok((reply, client))
            }
            Connections::Cluster(cluster) => {
                Box::pin(self.on_cluster(cluster, call, key, command)).await
            }
        }
    }

    async fn on_cluster<R, F: Future<Output = Result<R, Error>>>(
        &self,
        cluster: &Cluster,
        call: &'static str,
        key: &Key,
        command: impl Fn(Client) -> F,
    ) -> Result<(R, Client), GateError> {
        let mut delays = CLUSTER_RETRY_DELAYS.iter();
        let mut asked = None;
        loop {
            let reply = self.attempt_at(cluster, call, key, &command, asked).await;
            match (reply, delays.next()) {
                (Err(error), Some(delay)) if error.is_slot_moving() => {
                    asked = error.asked_address().and_then(|it| cluster.client_at(it));
                    tokio::time::sleep(*delay).await;
                }
                (reply, _) => return self.counted(reply),
            }
        }
    }

    /// One attempt at the master that has the slot of `key`, or at the one that is taking it over.
    async fn attempt_at<R, F: Future<Output = Result<R, Error>>>(
        &self,
        cluster: &Cluster,
        call: &'static str,
        key: &Key,
        command: impl Fn(Client) -> F,
        asked: Option<Client>,
    ) -> Result<(R, Client), GateError> {
        let is_asked = asked.is_some();
        let client = match asked {
            Some(client) => Ok(client),
            None => cluster.client_of(key.as_bytes()).await,
        };
        let reply = match client {
            Ok(client) if is_asked => {
                // They are sent one after the other, unless another task's command comes between; then this is MOVED.
                let asking = CustomCommand::new_static("ASKING", ClusterHash::FirstKey, false);
                let asking = client.custom::<(), Value>(asking, vec![]);
                let reply = self.attempt(call, Box::pin(command(client.clone())));
                let (_, reply) = join(asking, reply).await;
                reply.map(|reply| (reply, client))
            }
            Ok(client) => {
                let reply = self.attempt(call, Box::pin(command(client.clone()))).await;
                reply.map(|reply| (reply, client))
            }
            Err(error) => Err(error.into()),
        };
        if reply.as_ref().is_err_and(GateError::casts_doubt) {
            cluster.doubt();
        }
        reply
    }

    /// Asks every server at once; succeeds if one gives a usable answer.
    pub(crate) async fn any<F: Future<Output = Result<(), Error>>>(
        &self,
        call: &'static str,
        ask: impl Fn(Client, Key) -> F,
    ) -> Result<(), GateError> {
        let each = self.connections.each().into_iter();
        let asked = each.map(|(client, key)| self.timed(call, ask(client, key)));
        let outcomes = join_all(asked).await.into_iter();
        let none = || Err(self.failed(Error::new(ErrorKind::IO, "no server is connected")));
        outcomes.reduce(Result::or).unwrap_or_else(none)
    }

    /// Every call that is not bound to one key, or that is made in several steps.
    pub(crate) fn timed<R>(
        &self,
        call: &'static str,
        reply: impl Future<Output = Result<R, Error>>,
    ) -> impl Future<Output = Result<R, GateError>> {
        // No `async fn`: that would hold the argument beside its box.
        let reply = Box::pin(reply);
        async move {
            let reply = self.attempt(call, reply).await;
            if let (Err(error), Connections::Cluster(cluster)) = (&reply, &*self.connections)
                && error.casts_doubt()
            {
                cluster.doubt();
            }
            self.counted(reply)
        }
    }

    /// One attempt, timed.
    async fn attempt<R>(
        &self,
        call: &'static str,
        reply: Pin<Box<impl Future<Output = Result<R, Error>>>>,
    ) -> Result<R, GateError> {
        let timer = self
            .metrics
            .redis_call_seconds
            .with_label_values(&[call])
            .start_timer();
        let reply = reply.await.map_err(GateError::from);
        timer.observe_duration();
        reply
    }

    /// Counts a failure once, however often the call was tried.
    fn counted<R>(&self, reply: Result<R, GateError>) -> Result<R, GateError> {
        if let Err(error) = &reply {
            self.count(error);
        }
        reply
    }

    pub(crate) fn failed(&self, error: Error) -> GateError {
        let error = GateError::from(error);
        self.count(&error);
        error
    }

    pub(crate) fn count(&self, error: &GateError) {
        let errors = &self.metrics.redis_errors_total;
        errors.with_label_values(&[error.kind()]).inc();
    }
}
