//! Many buyers at once, over real keep-alive connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Outcome};
use crate::client::Client;
use crate::history::History;
use crate::order::Attempt;
use crate::process::Process;

/// How long a connection waits after it got no answer, as a person would before trying elsewhere.
/// Without it, the whole queue would be sent to a service in the second in which it is down.
const PAUSE_AFTER_SILENCE: Duration = Duration::from_millis(100);

/// Longest that any number of answers may take to arrive.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Buyers about to order. Each connection takes the next attempt when its last one was answered.
#[derive(Debug, Clone)]
pub struct Crowd {
    connections: usize,
    copies: Vec<String>,
    per_second: Option<u32>,
}

/// Buyers who are ordering. Dropping it sends them away.
#[derive(Debug)]
pub struct Rush {
    answers: Arc<Mutex<Vec<Answer>>>,
    answered: watch::Receiver<usize>,
    enough: CancellationToken,
    connections: JoinSet<()>,
}

struct Queue {
    attempts: Box<dyn Iterator<Item = Attempt> + Send>,
    pace: Option<Interval>,
    enough: CancellationToken,
}

impl Crowd {
    /// A crowd with so many connections to each of the API's copies.
    pub fn over(connections: usize, copies: &[&Process]) -> Self {
        let copies = copies.iter().map(|copy| copy.url().to_owned()).collect();
        Self::to(connections, copies)
    }

    /// The same, to copies at these URLs.
    pub fn to(connections: usize, copies: Vec<String>) -> Self {
        Self {
            connections,
            copies,
            per_second: None,
        }
    }

    /// Not as fast as possible, but so many attempts a second.
    pub fn at(mut self, per_second: u32) -> Self {
        self.per_second = Some(per_second);
        self
    }

    /// Starts sending, in the given order.
    ///
    /// # Errors
    /// When an HTTP client cannot be built.
    pub fn send(self, attempts: impl Iterator<Item = Attempt> + Send + 'static) -> Result<Rush> {
        let enough = CancellationToken::new();
        let queue = Arc::new(tokio::sync::Mutex::new(Queue {
            attempts: Box::new(attempts),
            pace: self
                .per_second
                .map(|n| interval(Duration::from_secs(1) / n)),
            enough: enough.clone(),
        }));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (count, answered) = watch::channel(0);
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let clients: Result<Vec<_>> = self.copies.iter().map(|url| Client::new(url)).collect();
            let (queue, answers, count) = (queue.clone(), answers.clone(), count.clone());
            connections.spawn(serve(clients?, queue, answers, count));
        }
        Ok(Rush {
            answers,
            answered,
            enough,
            connections,
        })
    }
}

async fn serve(
    clients: Vec<Client>,
    queue: Arc<tokio::sync::Mutex<Queue>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    count: watch::Sender<usize>,
) {
    loop {
        let next = queue.lock().await.next().await;
        let Some(attempt) = next else { return };
        let client = &clients[attempt.copy % clients.len()];
        let answer = client.order(&attempt.order).await;
        let silent = matches!(answer.outcome, Outcome::Silence(_));
        answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(answer);
        count.send_modify(|n| *n += 1);
        if silent {
            sleep(PAUSE_AFTER_SILENCE).await;
        }
    }
}

impl Queue {
    async fn next(&mut self) -> Option<Attempt> {
        if let Some(pace) = &mut self.pace {
            pace.tick().await;
        }
        if self.enough.is_cancelled() {
            return None;
        }
        self.attempts.next()
    }
}

impl Rush {
    /// Waits until so many attempts have been answered.
    ///
    /// # Errors
    /// When that takes unreasonably long, or there are not so many attempts.
    pub async fn answered(&self, wanted: usize) -> Result<()> {
        let mut answered = self.answered.clone();
        let reached = answered.wait_for(|n| *n >= wanted);
        let outcome = tokio::time::timeout(ANSWER_LIMIT, reached).await;
        outcome
            .with_context(|| format!("{wanted} answers within {ANSWER_LIMIT:?}"))?
            .with_context(|| format!("there were fewer than {wanted} attempts"))?;
        Ok(())
    }

    /// What was answered so far.
    pub fn so_far(&self) -> History {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        History::new(answers.clone())
    }

    /// The latest outcome; silence before the first.
    pub fn last(&self) -> Outcome {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let last = answers.last().map(|answer| answer.outcome.clone());
        last.unwrap_or_else(|| Outcome::Silence("nobody has asked yet".into()))
    }

    /// Nobody sends another attempt; those on their way are still waited for.
    pub fn stop(&self) {
        self.enough.cancel();
    }

    /// Waits for the last answer.
    ///
    /// # Errors
    /// When it does not come, or a buyer panicked.
    pub async fn finish(mut self) -> Result<History> {
        let deadline = Instant::now() + ANSWER_LIMIT;
        while let Some(done) = tokio::time::timeout_at(deadline, self.connections.join_next())
            .await
            .with_context(|| format!("the last answer within {ANSWER_LIMIT:?}"))?
        {
            done.context("a buyer panicked")?;
        }
        Ok(self.so_far())
    }
}
