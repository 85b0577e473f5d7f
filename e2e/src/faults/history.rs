//! Everything that was asked and answered in a run, as JSON lines in a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use fluxgate_domain::ids::OrderId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::answer::Status;

/// One line of a history. Times are microseconds since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A request and its answer.
    Asked(Asked),
    /// Something that was done to the system.
    Mark {
        /// When.
        at_us: u64,
        /// What, in words.
        what: String,
    },
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What was asked.
    pub ask: Ask,
    /// Which copy of the API was asked, from 0.
    pub copy: usize,
    /// When the request was sent.
    pub sent_us: u64,
    /// When the answer was complete, or given up.
    pub done_us: u64,
    /// The answer.
    pub reply: Reply,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Ask {
    /// `POST /orders`.
    Order {
        product: String,
        user: String,
        key: String,
        quantity: u32,
    },
    /// `GET /orders/{id}`.
    Status { product: String, id: OrderId },
    /// `GET /products/{id}`.
    Sale { product: String },
    /// `POST /orders/{id}/cancel`.
    Cancel { product: String, id: OrderId },
    /// `POST /products/{id}/restock`.
    Restock {
        product: String,
        key: String,
        units: u32,
    },
    /// `POST /products/{id}/close`.
    Close { product: String },
}

/// What can come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Reply {
    /// An order, taken or shown.
    Order {
        id: OrderId,
        status: Status,
        replayed: bool,
    },
    /// A sale.
    Sale {
        total: i64,
        remaining: i64,
        status: String,
    },
    /// A problem with its code.
    Refused { http: u16, code: String },
    /// No answer: what was asked for may have happened or not.
    Silence { error: String },
    /// An answer that the contract does not know.
    Broken { text: String },
}

impl Ask {
    /// The sale that the request is about.
    pub fn product(&self) -> &str {
        match self {
            Self::Order { product, .. }
            | Self::Status { product, .. }
            | Self::Sale { product }
            | Self::Cancel { product, .. }
            | Self::Restock { product, .. }
            | Self::Close { product } => product,
        }
    }

    /// Whether it only looks.
    pub fn is_a_look(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::Sale { .. })
    }
}

impl Reply {
    /// Whether it leaves open what became of the request: only asking again can tell.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Order { .. } | Self::Sale { .. } => false,
            Self::Refused { http, .. } => *http >= 500,
            Self::Silence { .. } | Self::Broken { .. } => true,
        }
    }

    /// The code of a refusal; empty for everything else.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            _ => "",
        }
    }

    /// The order, where the answer names one.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Order { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// Takes down a history. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    begin: Instant,
    path: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    lines: Vec<Line>,
    file: BufWriter<File>,
}

impl Recorder {
    /// A history in the file at `path`, which is made anew.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn to(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        let kept = Kept {
            lines: Vec::new(),
            file: BufWriter::new(file),
        };
        Ok(Self {
            begin: Instant::now(),
            path: path.to_owned(),
            kept: Arc::new(Mutex::new(kept)),
        })
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Notes that something was done to the system.
    pub fn mark(&self, what: &str) {
        self.add(Line::Mark {
            at_us: self.now_us(),
            what: what.to_owned(),
        });
    }

    /// Notes a line.
    pub fn add(&self, line: Line) {
        let mut kept = self.kept();
        // A history that cannot be written to its file is still checked.
        if let Ok(text) = serde_json::to_string(&line) {
            let _ = writeln!(kept.file, "{text}");
        }
        kept.lines.push(line);
    }

    /// What was noted so far; it is all in the file then.
    pub fn lines(&self) -> Vec<Line> {
        let mut kept = self.kept();
        let _ = kept.file.flush();
        kept.lines.clone()
    }

    /// Requests and answers so far.
    pub fn asked(&self) -> Vec<Asked> {
        let lines = self.lines().into_iter();
        lines
            .filter_map(|line| match line {
                Line::Asked(asked) => Some(asked),
                Line::Mark { .. } => None,
            })
            .collect()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
