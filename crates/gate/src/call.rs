//! How Redis is called: timed, counted, and tried again where a Cluster asks for it.

use std::time::Duration;

use fred::clients::Client;
use fred::types::scripts::Script;
use fred::types::{FromValue, Key, Value};

use crate::{GateError, ReservationStore};

/// While a Cluster moves a slot, some keys of a sale are here and some there, and a script is told to
/// try again. A connection that is being made does not know yet whom to ask. Half a second in all; a
/// sale has four keys.
const CLUSTER_PAUSES: [Duration; 5] = [
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
        let pauses = match self.connections.is_cluster() {
            true => &CLUSTER_PAUSES[..],
            false => &[],
        };
        for pause in pauses {
            let (keys, arguments) = (keys.clone(), arguments.clone());
            let reply = script.evalsha_with_reload(client, keys, arguments);
            match self.tried(call, reply).await {
                Err(error) if error.is_nodes_in_motion() => tokio::time::sleep(*pause).await,
                reply => return self.counted(reply),
            }
        }
        let reply = script.evalsha_with_reload(client, keys, arguments);
        self.timed(call, reply).await
    }

    /// Every call of Redis ends here or in `run_on`: its failure is counted once, however often it was tried.
    pub(crate) async fn timed<R>(
        &self,
        call: &'static str,
        reply: impl Future<Output = Result<R, fred::error::Error>>,
    ) -> Result<R, GateError> {
        self.counted(self.tried(call, reply).await)
    }

    /// One try, timed.
    async fn tried<R>(
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
            // The client's own words: they say nothing about whether Redis speaks.
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
