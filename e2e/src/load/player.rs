//! Sends orders and records their answers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::dispatcher::Dispatcher;
use super::history::{History, Log, Sent, Try};
use super::{Attempt, Pace, Player};
use crate::checker::Answer;
use crate::client::Client;
use crate::order::Sale;
use crate::table::thousands;
use crate::wait::wait_until;

/// The time until the first order of a constant rate is due.
const LEAD: Duration = Duration::from_millis(200);
/// Longest that orders may be retried after the last new one was due.
const GRACE: Duration = Duration::from_secs(90);
/// The longest wait for a number of answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// The longest time that a load may be behind its rate.
const BEHIND_LIMIT: Duration = Duration::from_secs(60);

/// A load that is running. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    stop: CancellationToken,
    progress: watch::Receiver<Progress>,
    dispatcher: JoinHandle<Sent>,
    connections: JoinSet<Log>,
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
    /// The latest answer.
    pub last: Option<Answer>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub player: Player,
    pub sales: Vec<Sale>,
    pub start: Instant,
    pub progress: watch::Sender<Progress>,
}

impl Player {
    /// Starts sending orders of these sales.
    ///
    /// # Errors
    /// When there are no sales, or an HTTP client cannot be built.
    pub fn start(
        &self,
        sales: &[Sale],
        attempts: impl Iterator<Item = Attempt> + Send + 'static,
    ) -> Result<Running> {
        self.start_with_grace(sales, attempts, GRACE)
    }

    /// Sends these orders and waits for all answers.
    pub async fn play(
        &self,
        sales: &[Sale],
        attempts: impl Iterator<Item = Attempt> + Send + 'static,
    ) -> Result<History> {
        self.start(sales, attempts)?.finish().await
    }

    fn start_with_grace(
        &self,
        sales: &[Sale],
        attempts: impl Iterator<Item = Attempt> + Send + 'static,
        grace: Duration,
    ) -> Result<Running> {
        ensure!(!sales.is_empty(), "there is nothing to order");
        let (progress, watched) = watch::channel(Progress::default());
        let is_paced = self.pace != Pace::AsAnswered;
        let lead = if is_paced { LEAD } else { Duration::ZERO };
        let shared = Arc::new(Shared {
            player: self.clone(),
            sales: sales.to_vec(),
            start: Instant::now() + lead,
            progress,
        });
        let (turns, due) = mpsc::channel(1);
        let (returned, returns) = mpsc::unbounded_channel();
        let due = Arc::new(Mutex::new(due));
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let client = |url: &String| Client::with(url, "", self.timeout);
            let connection = Connection {
                shared: shared.clone(),
                clients: self.urls.iter().map(client).collect::<Result<_>>()?,
                due: due.clone(),
                returned: returned.clone(),
                log: Log::default(),
            };
            connections.spawn(connection.run());
        }
        let stop = CancellationToken::new();
        let end = stop.clone();
        let dispatcher = Dispatcher {
            attempts,
            turns,
            returns,
            stop: end,
            grace,
        };
        let dispatcher = tokio::spawn(dispatcher.run(self.pace, shared.start));
        Ok(Running {
            shared,
            stop,
            progress: watched,
            dispatcher,
            connections,
        })
    }
}

impl Running {
    /// When the first order was due.
    pub fn begin(&self) -> Instant {
        self.shared.start
    }

    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until this many tries have ended.
    ///
    /// # Errors
    /// When that takes longer than two minutes.
    pub async fn answered(&self, wanted: u64) -> Result<()> {
        let mut progress = self.progress.clone();
        let reached = timeout(ANSWER_LIMIT, progress.wait_for(|it| it.ended >= wanted)).await;
        reached.with_context(|| format!("{wanted} answers within {ANSWER_LIMIT:?}"))??;
        Ok(())
    }

    /// Waits until the orders that a constant rate sends in this time have been sent.
    pub async fn continues_for(&self, time: Duration) -> Result<()> {
        let Pace::PerSecond(rate) = self.shared.player.pace else {
            anyhow::bail!("this load has no rate");
        };
        let wanted = self.progress().sent + (f64::from(rate) * time.as_secs_f64()) as u64;
        wait_until("orders are sent", time + BEHIND_LIMIT, async || {
            let sent = self.progress().sent;
            ensure!(sent >= wanted, "{sent} of {wanted} sent");
            Ok(())
        })
        .await
    }

    /// Waits for the end like [`Running::finish`], and prints the progress from time to time.
    pub async fn finish_and_print(self, every: Duration) -> Result<History> {
        let (begin, progress) = (self.begin(), self.progress.clone());
        let mut history = std::pin::pin!(self.finish());
        loop {
            tokio::select! {
                history = &mut history => return history,
                () = sleep(every) => println!("{:6.1} s  {}", begin.elapsed().as_secs_f64(), *progress.borrow()),
            }
        }
    }

    /// Sends no new orders; those that were sent are still retried.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until every order has its final answer or was given up.
    ///
    /// # Errors
    /// When a connection panicked.
    pub async fn finish(mut self) -> Result<History> {
        let sent = (&mut self.dispatcher).await;
        let sent = sent.context("the dispatcher panicked")?;
        let mut log = Log::default();
        while let Some(ended) = self.connections.join_next().await {
            log.append(ended.context("a connection panicked")?);
        }
        Ok(History::new(&self.shared, sent, log))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.dispatcher.abort();
    }
}

impl Progress {
    pub(super) fn count(&mut self, ended: &Try) {
        self.ended += 1;
        self.failed += u64::from(ended.failure.is_some());
        self.sold_out += u64::from(ended.answer == Answer::SoldOut);
        if let Answer::Placed { replayed, .. } = ended.answer {
            self.accepted += u64::from(!replayed);
        }
        self.last = Some(ended.answer);
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::answer::Failure;
    use crate::load::once;

    async fn play(player: &Player, count: u32, grace: Duration) -> Running {
        let sales = [Sale::unique("player", 1).unwrap()];
        let attempts = once(0..1, 0..count);
        player.start_with_grace(&sales, attempts, grace).unwrap()
    }

    /// A listener whose connections are never answered, and a player that has one of them.
    async fn unanswered() -> (TcpListener, Player) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let player = Player {
            connections: 1,
            timeout: Duration::from_millis(200),
            ..Player::constant_rate(1_000, vec![url])
        };
        (listener, player)
    }

    #[tokio::test]
    async fn a_failed_order_is_retried_and_given_up_after_its_last_try() {
        let (listener, player) = unanswered().await;
        drop(listener);
        let player = Player { tries: 3, ..player };
        let history = play(&player, 1, GRACE).await.finish().await.unwrap();
        let tries = history.tries.iter();
        let failures: Vec<_> = tries.map(|it| (it.number, it.failure)).collect();
        let refused = Some(Failure::Refused);
        assert_eq!(failures, [(1, refused), (2, refused), (3, refused)]);
        assert_eq!((history.sent.orders, history.given_up()), (1, 1));
        assert!(history.sent.complete);
    }

    #[tokio::test]
    async fn a_stopped_load_sends_no_new_orders_and_ends_after_its_grace() {
        let (_listener, player) = unanswered().await;
        let running = play(&player, 1_000_000, Duration::from_millis(300)).await;
        sleep(LEAD + Duration::from_millis(100)).await;
        running.stop();
        let history = timeout(Duration::from_secs(10), running.finish()).await;
        let history = history.unwrap().unwrap();
        assert!(history.sent.orders <= 3, "{:?}", history.sent);
        assert!(history.sent.complete && history.given_up() == history.sent.orders);
    }

    #[tokio::test]
    async fn a_load_that_falls_behind_its_rate_for_too_long_is_incomplete() {
        let (_listener, player) = unanswered().await;
        let running = play(&player, 100, Duration::from_millis(300)).await;
        let sent = running.finish().await.unwrap().sent;
        assert!(!sent.complete && sent.orders < 100, "{sent:?}");
    }
}
