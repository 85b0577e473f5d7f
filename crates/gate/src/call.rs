//! Calls to Redis: timed, counted, and retried where a Cluster asks for it.

use std::time::Duration;

use fred::clients::Client;
use fred::types::scripts::Script;
use fred::types::{FromValue, Key, Value};

use crate::{GateError, ReservationStore};

/// Delays between retries, half a second in all. While a Cluster moves a slot, the four keys of a sale may be on two
/// nodes, and a script is answered TRYAGAIN; a new connection does not know the slots yet.
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
        let client = self.client();
        self.run_on(&client, call, script, keys, arguments).await
    }

    pub(crate) async fn run_on<R: FromValue>(
        &self,
        client: &Client,
        call: &'static str,
        script: &Script,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<R, GateError> {
        let delays = match self.connections.is_cluster() {
            true => &CLUSTER_RETRY_DELAYS[..],
            false => &[],
        };
        for delay in delays {
            let (keys, arguments) = (keys.clone(), arguments.clone());
            let reply = script.evalsha_with_reload(client, keys, arguments);
            match self.attempt(call, reply).await {
                Err(error) if error.is_slot_moving() => tokio::time::sleep(*delay).await,
                reply => return self.counted(reply),
            }
        }
        let reply = script.evalsha_with_reload(client, keys, arguments);
        self.timed(call, reply).await
    }

    /// Every call that is not a script. Counts a failure once, however often the call was tried.
    pub(crate) async fn timed<R>(
        &self,
        call: &'static str,
        reply: impl Future<Output = Result<R, fred::error::Error>>,
    ) -> Result<R, GateError> {
        self.counted(self.attempt(call, reply).await)
    }

    /// One attempt, timed.
    async fn attempt<R>(
        &self,
        call: &'static str,
        reply: impl Future<Output = Result<R, fred::error::Error>>,
    ) -> Result<R, GateError> {
        let timer = self
            .metrics
            .redis_call_seconds
            .with_label_values(&[call])
            .start_timer();
        let reply = reply.await.map_err(GateError::from);
        timer.observe_duration();
        match &reply {
            Ok(_) => self.connections.answered(),
            Err(error) if error.is_timeout() => self.connections.timed_out(),
            Err(error) if error.is_reply() => self.connections.answered(),
            // The client's own errors: they do not tell whether Redis replies.
            Err(_) => {}
        }
        reply
    }

    fn counted<R>(&self, reply: Result<R, GateError>) -> Result<R, GateError> {
        if let Err(error) = &reply {
            self.count(error);
        }
        reply
    }

    pub(crate) fn count(&self, error: &GateError) {
        let errors = &self.metrics.redis_errors_total;
        errors.with_label_values(&[error.kind()]).inc();
    }
}
