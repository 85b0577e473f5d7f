//! Records every request of a run and its answer, on request also as JSON lines in a file.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::sync::watch;

use crate::answer::{Refusal, Status};
use crate::exchange::Exchange;
use crate::table::thousands;

/// Cheap to clone; clones record into the same history.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// All times are counted from here.
    pub start: Instant,
    pub progress: watch::Sender<Progress>,
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    exchanges: Vec<Exchange>,
    file: Option<BufWriter<File>>,
}

/// The progress of a load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Orders sent at least once.
    pub sent: u64,
    /// Tries that ended, with or without an answer.
    pub ended: u64,
    /// Orders accepted, without replays.
    pub accepted: u64,
    pub sold_out: u64,
    /// Tries that failed.
    pub failed: u64,
    /// The status of the order in the latest answer.
    pub last: Option<Status>,
}

impl Recorder {
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            progress: watch::Sender::default(),
            recorded: Arc::default(),
        }
    }

    /// Records into a new file at `path`, too.
    pub fn to(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        let recorder = Self::new(Instant::now());
        recorder.recorded().file = Some(BufWriter::new(file));
        Ok(recorder)
    }

    pub fn now_us(&self) -> u64 {
        micros(self.start.elapsed())
    }

    /// Notes in the file what was done to the system between the exchanges.
    pub fn mark(&self, what: &str) {
        let mark = serde_json::json!({"mark": what, "at_us": self.now_us()});
        self.recorded().write(&mark);
    }

    pub fn add(&self, exchange: Exchange) {
        if exchange.request.action.is_order() {
            self.progress.send_modify(|it| it.count(&exchange));
        }
        let mut recorded = self.recorded();
        recorded.write(&exchange);
        recorded.exchanges.push(exchange);
    }

    /// Shows the exchanges so far, in the order of their ends. Nothing is recorded meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&[Exchange]) -> T) -> T {
        look(&self.recorded().exchanges)
    }

    /// The exchanges, which are not recorded here any more.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.recorded().exchanges)
    }

    /// Completes the file.
    pub fn flush(&self) {
        self.recorded().file.as_mut().map(BufWriter::flush);
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// A history that cannot be written to its file is still checked.
    fn write(&mut self, line: &impl Serialize) {
        if let Some(file) = &mut self.file
            && let Ok(text) = serde_json::to_string(line)
        {
            let _ = writeln!(file, "{text}");
        }
    }
}

impl Progress {
    fn count(&mut self, ended: &Exchange) {
        self.ended += 1;
        self.failed += u64::from(ended.response.failure().is_some());
        self.sold_out += u64::from(ended.response.is_refused(Refusal::SoldOut));
        self.accepted += u64::from(ended.response.order().is_some_and(|it| !it.replayed));
        self.last = ended.status();
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = [self.ended, self.accepted, self.sold_out, self.failed];
        let [ended, accepted, sold_out, failed] = numbers.map(thousands);
        write!(
            f,
            "{ended} requests ended: {accepted} orders accepted, {sold_out} times sold out, {failed} failed"
        )
    }
}

pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
