//! Own names on shared stores, so that tests do not affect each other.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use reqwest::Url;

use crate::client::ADMIN_TOKEN;
use crate::deployment::Deployment;
use crate::order::unique;
use crate::process::{Process, Settings, changed, settings};
use crate::program::Program;
use crate::stack::Stack;
use crate::stores::{Postgres, Redis, Stores, Topic};
use crate::wait::stop_signal;

/// Databases of a Redis as it comes, without number 0, which is not ours. They are taken in turn:
/// not more sandboxes than these may exist at once.
const REDIS_DATABASES: u64 = 15;

const LOG_TAIL_LINES: usize = 25;
/// Longest the reconciler may take; it has deadlines of its own.
const RECONCILER_LIMIT: Duration = Duration::from_secs(90);

/// One set of topics, group, schema and Redis database, and the services that use them.
#[derive(Debug)]
pub struct Sandbox {
    pub stack: Stack,
    /// Its schema, its Redis database, its topic of orders.
    pub stores: Stores,
    pub dead_letters: Topic,
    name: String,
    settings: Settings,
    folder: PathBuf,
    started: Cell<usize>,
    has_own_redis: bool,
}

impl Sandbox {
    /// Names, a schema, an empty Redis database and a folder for logs. Topics and tables are made
    /// by the first worker.
    pub async fn new(stack: Stack) -> Result<Self> {
        Self::on(stack, None).await
    }

    /// The same, with a Redis of its own at this URL instead of the stack's.
    pub async fn on(stack: Stack, own_redis: Option<&str>) -> Result<Self> {
        let name = unique("e2e");
        let (topic, dlq) = (format!("{name}.orders"), format!("{name}.dlq"));

        // Product ids differ anyway, but the outbox relay of every API sees all sales of its Redis
        // database and would publish another test's entries to this test's topic.
        let redis_url = match own_redis {
            Some(url) => url.to_owned(),
            None => free_database(&stack.redis_url).await?,
        };
        let redis = Redis::connect(&redis_url, None).await?;

        let schema = format!("CREATE SCHEMA {name}");
        Postgres::new(&stack.database_url).execute(&schema).await?;
        let database_url = with_search_path(&stack.database_url, &name);

        let folder = std::env::temp_dir().join(&name);
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;

        let own = [
            ("REDIS_URL", redis_url.as_str()),
            ("KAFKA_BROKERS", &stack.kafka_brokers),
            ("DATABASE_URL", &database_url),
            ("KAFKA_TOPIC", &topic),
            ("KAFKA_DLQ_TOPIC", &dlq),
            ("KAFKA_GROUP", &name),
            // The shortest that brokers allow: a killed worker's partitions wait that long.
            ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
            ("OUTBOX_SHARED_ENTRIES", "on"),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("NO_COLOR", "1"),
        ];
        Ok(Self {
            stores: Stores {
                postgres: Postgres::new(&database_url),
                redis,
                topic: Topic::new(&stack.kafka_brokers, &topic, &name)?,
            },
            dead_letters: Topic::new(&stack.kafka_brokers, &dlq, &name)?,
            settings: settings(&own),
            started: Cell::new(0),
            has_own_redis: own_redis.is_some(),
            stack,
            name,
            folder,
        })
    }

    /// Does something in a sandbox, which is removed afterwards. Shows the ends of all logs after a failure.
    ///
    /// # Errors
    /// When `act` fails or a signal stops it, or a store does not answer.
    pub async fn within<T>(stack: &Stack, act: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let sandbox = Self::new(stack.clone()).await?;
        // Dropping the services kills them, whatever they were doing.
        let outcome = tokio::select! {
            outcome = act(&sandbox) => outcome.inspect_err(|_| sandbox.show_logs()),
            signal = stop_signal() => Err(anyhow!("stopped by {}", signal?)),
        };
        let discarded = sandbox.discard().await;
        let outcome = outcome?;
        discarded?;
        Ok(outcome)
    }

    /// The folder of its services' logs, until it is dropped.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its services are given, unless a run changes some.
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Starts a service with these settings. Does not wait.
    pub fn spawn(&self, program: Program, settings: Settings) -> Result<Process> {
        Process::spawn(program.path()?, settings, self.next_log(program.name()))
    }

    /// The same; returns when it is ready.
    pub async fn start(&self, program: Program, settings: Settings) -> Result<Process> {
        let mut service = self.spawn(program, settings)?;
        service.ready().await?;
        Ok(service)
    }

    /// Starts a program that is no service. Does not wait.
    pub fn launch(
        &self,
        executable: &Path,
        arguments: &[&str],
        settings: Settings,
    ) -> Result<Process> {
        let name = executable.file_name().unwrap_or_default();
        let log = self.next_log(&name.to_string_lossy());
        Process::launch(executable, arguments, settings, log, 0)
    }

    fn next_log(&self, program: &str) -> PathBuf {
        let number = self.started.get() + 1;
        self.started.set(number);
        self.folder.join(format!("{number:02}-{program}.log"))
    }

    /// Runs the reconciler to its end, with these arguments: its exit code, and what it printed.
    pub async fn reconcile(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let quiet = changed(&self.settings, &[("RUST_LOG", "warn")]);
        let mut run = self.launch(&Program::Reconciler.path()?, arguments, quiet)?;
        let status = run.ended(RECONCILER_LIMIT).await?;
        let code = status.code().context("the reconciler was killed")?;
        Ok((code, run.output()?))
    }

    /// Its stores and these instances of the API, as a deployment.
    pub fn deployment(&self, apis: &[&Process]) -> Deployment {
        Deployment {
            urls: apis.iter().map(|api| api.url().to_owned()).collect(),
            admin_token: ADMIN_TOKEN.to_owned(),
            stores: self.stores.clone(),
        }
    }

    /// An instance of the API that is ready, with `more` settings.
    pub async fn api_with(&self, more: &[(&str, &str)]) -> Result<Process> {
        let settings = changed(&self.settings, more);
        self.start(Program::IngestApi, settings).await
    }

    pub async fn api(&self) -> Result<Process> {
        self.api_with(&[]).await
    }

    pub async fn worker(&self) -> Result<Process> {
        self.start(Program::InventoryWorker, self.settings()).await
    }

    /// Removes its topics, schema and keys from the stores. No test depends on that; it keeps a
    /// stack small that is used repeatedly.
    pub async fn discard(&self) -> Result<()> {
        self.stores.topic.delete().await?;
        self.dead_letters.delete().await?;
        if !self.has_own_redis {
            self.stores.redis.flush().await?;
        }
        let schema = format!("DROP SCHEMA {} CASCADE", self.name);
        self.stores.postgres.execute(&schema).await
    }

    /// Writes the logs to `folder`, which is created.
    pub fn keep_logs(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        for log in self.logs()? {
            let name = log.file_name().context("a log has a name")?;
            fs::copy(&log, folder.join(name))?;
        }
        Ok(())
    }

    /// What lies in its folder itself: folders in it belong to a service.
    fn logs(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder)?.flatten();
        let paths = entries.map(|entry| entry.path());
        let mut logs: Vec<_> = paths.filter(|path| path.is_file()).collect();
        logs.sort();
        Ok(logs)
    }

    /// Shows the end of each service's log on stderr.
    pub fn show_logs(&self) {
        for path in self.logs().unwrap_or_default() {
            let log = fs::read_to_string(&path).unwrap_or_else(|error| error.to_string());
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            eprintln!("--- {file}, its last lines\n{}", tail.join("\n"));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        // It is in the folder for temporary files; nothing depends on its removal.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One of the stack's Redis databases, emptied.
async fn free_database(redis_url: &str) -> Result<String> {
    let shared = Redis::connect(redis_url, None).await?;
    let count: u64 = shared.command(&["INCR", "e2e:sandboxes"]).await?;
    let number = 1 + count % REDIS_DATABASES;
    let mut url = Url::parse(redis_url).context("reading REDIS_URL")?;
    url.set_path(&number.to_string());
    let own = Redis::connect(url.as_str(), None).await?;
    own.flush().await?;
    Ok(url.into())
}

fn with_search_path(url: &str, schema: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-c%20search_path%3D{schema}")
}
