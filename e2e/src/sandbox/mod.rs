//! Names of one's own on shared stores, so that tests do not meet.

mod reconciler;

pub use reconciler::Report;

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::client::ADMIN_TOKEN;
use crate::deployment::Deployment;
use crate::order::unique;
use crate::process::{Process, Settings};
use crate::program::Program;
use crate::stack::Stack;
use crate::stores::Stores;
use crate::truth::{Database, Gate, Log};
use crate::until::until;

/// Databases of a Redis as it comes, without number 0, which is not ours. They are taken in turn,
/// so a sandbox finds its own emptied as long as not more than these live at once.
const REDIS_DATABASES: u64 = 15;

/// Lines of each log that are shown when a test fails.
const LOG_TAIL_LINES: usize = 25;

/// One set of topics, group, schema and Redis database, and the services that use them.
#[derive(Debug)]
pub struct Sandbox {
    /// The stores under it.
    pub stack: Stack,
    /// Its schema, its Redis database, its topic of orders.
    pub stores: Stores,
    /// Its topic of dead letters.
    pub dead_letters: Log,
    name: String,
    settings: Settings,
    folder: PathBuf,
    started: Cell<usize>,
    has_own_redis: bool,
}

impl Sandbox {
    /// Names, a schema, an empty Redis database and a folder for logs. Topics and tables are made
    /// by the first worker.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn new(stack: Stack) -> Result<Self> {
        Self::on(stack, None).await
    }

    /// The same, with a Redis of its own at this URL instead of the stack's.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn on(stack: Stack, own_redis: Option<&str>) -> Result<Self> {
        let name = unique("e2e");
        let (topic, dlq) = (format!("{name}.orders"), format!("{name}.dlq"));

        // Product ids differ anyway, but the sweeper of every API sees all sales of its Redis
        // database and would publish another test's leftovers to this test's topic.
        let redis_url = match own_redis {
            Some(url) => url.to_owned(),
            None => free_database(&stack.redis_url).await?,
        };
        let gate = Gate::connect(&redis_url).await?;

        let schema = format!("CREATE SCHEMA {name}");
        Database::new(&stack.database_url).execute(&schema).await?;
        let database_url = with_search_path(&stack.database_url, &name);

        let folder = std::env::temp_dir().join(&name);
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;

        let settings = [
            ("REDIS_URL", redis_url.as_str()),
            ("KAFKA_BROKERS", &stack.kafka_brokers),
            ("DATABASE_URL", &database_url),
            ("KAFKA_TOPIC", &topic),
            ("KAFKA_DLQ_TOPIC", &dlq),
            ("KAFKA_GROUP", &name),
            // The shortest that brokers allow: a killed worker's partitions wait that long.
            ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("NO_COLOR", "1"),
        ];
        Ok(Self {
            stores: Stores {
                database: Database::new(&database_url),
                gate,
                log: Log::new(&stack.kafka_brokers, &topic, &name)?,
            },
            dead_letters: Log::new(&stack.kafka_brokers, &dlq, &name)?,
            settings: settings
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            started: Cell::new(0),
            has_own_redis: own_redis.is_some(),
            stack,
            name,
            folder,
        })
    }

    /// Where its services' logs lie, until it is dropped.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its services are started with.
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Starts a service with other settings than [`Sandbox::settings`]. Does not wait.
    ///
    /// # Errors
    /// When the program is not built or does not start.
    pub fn spawn(&self, program: Program, settings: Settings) -> Result<Process> {
        let number = self.started.get() + 1;
        self.started.set(number);
        let log = self
            .folder
            .join(format!("{number:02}-{}.log", program.name()));
        Process::spawn(program, settings, log)
    }

    /// Its stores and these copies of the API, as those see them who start nothing.
    pub fn deployment(&self, apis: &[&Process]) -> Deployment {
        Deployment {
            urls: apis.iter().map(|api| api.url().to_owned()).collect(),
            admin_token: ADMIN_TOKEN.to_owned(),
            stores: self.stores.clone(),
        }
    }

    /// A copy of the API that is ready, with `more` settings.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn api_with(&self, more: &[(&str, &str)]) -> Result<Process> {
        let more = more
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let settings = self.settings().into_iter().chain(more).collect();
        let mut api = self.spawn(Program::IngestApi, settings)?;
        api.ready().await?;
        Ok(api)
    }

    /// A copy of the API that is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn api(&self) -> Result<Process> {
        self.api_with(&[]).await
    }

    /// Starts a service with `more` settings than [`Sandbox::settings`]. Does not wait.
    ///
    /// # Errors
    /// When the program is not built or does not start.
    pub fn spawn_with(&self, program: Program, more: Settings) -> Result<Process> {
        self.spawn(program, self.settings().into_iter().chain(more).collect())
    }

    /// A worker that is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn worker(&self) -> Result<Process> {
        let mut worker = self.spawn(Program::InventoryWorker, self.settings())?;
        worker.ready().await?;
        Ok(worker)
    }

    /// Empties its topic of orders, as a Kafka does that was restored from nothing: made anew, with
    /// as many partitions.
    ///
    /// # Errors
    /// When Kafka does not do it.
    pub async fn lose_the_log(&self) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.stack.kafka_brokers)
            .create()?;
        let partitions = i32::try_from(self.stores.log.ends().await?.len())?;
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        admin
            .delete_topics(&[self.stores.log.topic()], &options)
            .await?;
        let topic = NewTopic::new(
            self.stores.log.topic(),
            partitions,
            TopicReplication::Fixed(1),
        );
        until(
            "the topic is made anew",
            Duration::from_secs(20),
            async || {
                let made = admin.create_topics([&topic], &options).await?;
                made.into_iter()
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
                Ok(())
            },
        )
        .await
    }

    /// Takes its topics, schema and keys out of the stores. No test depends on that: it keeps a
    /// stack light that is used again and again.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn discard(&self) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.stack.kafka_brokers)
            .create()?;
        let topics = [self.stores.log.topic(), self.dead_letters.topic()];
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
        admin.delete_topics(&topics, &options).await?;
        if !self.has_own_redis {
            self.stores.gate.flush().await?;
        }
        let schema = format!("DROP SCHEMA {} CASCADE", self.name);
        self.stores.database.execute(&schema).await
    }

    /// Copies the logs into `folder`, which is made.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn keep_logs(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        for log in self.logs()? {
            let name = log.file_name().context("a log has a name")?;
            fs::copy(&log, folder.join(name))?;
        }
        Ok(())
    }

    /// What lies in its folder itself: folders in there are some service's own business.
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
        // It is in the folder for temporary files; nothing depends on its going.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One of the stack's Redis databases, emptied.
async fn free_database(redis_url: &str) -> Result<String> {
    let shared = Gate::connect(redis_url).await?;
    let number = 1 + shared.next_number("e2e:sandboxes").await? % REDIS_DATABASES;
    let url = redis_database(redis_url, number)?;
    Gate::connect(&url).await?.flush().await?;
    Ok(url)
}

fn redis_database(url: &str, number: u64) -> Result<String> {
    let mut url = reqwest::Url::parse(url).context("reading REDIS_URL")?;
    url.set_path(&number.to_string());
    Ok(url.into())
}

fn with_search_path(url: &str, schema: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-c%20search_path%3D{schema}")
}
