//! Starts a load, follows it and ends it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::history::{History, Sent};
use super::recorder::{Progress, Recorder};
use super::stream::Stream;
use super::{Attempt, Pace, Player};
use crate::client::Client;
use crate::order::Sale;

/// The time until the first request of a constant rate is due.
const LEAD: Duration = Duration::from_millis(200);
/// The longest wait for a number of answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// The longest time that a load may be behind its rate.
const BEHIND_LIMIT: Duration = Duration::from_secs(60);
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// A load that is running. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    player: Player,
    caller: Caller,
    stop: CancellationToken,
    sending: JoinHandle<Result<Sent>>,
}

impl Player {
    /// Starts sending requests about these sales.
    ///
    /// # Errors
    /// When there are no sales, or an HTTP client cannot be built.
    pub fn start(
        &self,
        sales: &[Sale],
        attempts: impl Iterator<Item = Attempt> + Send + 'static,
    ) -> Result<Running> {
        let lead = match self.pace {
            Pace::AsAnswered => Duration::ZERO,
            Pace::PerSecond(_) => LEAD,
        };
        let recorder = Recorder::new(Instant::now() + lead);
        let caller = self.caller("", sales, recorder)?;
        Ok(self.start_with(&caller, attempts))
    }

    /// Sends these requests and waits for all answers.
    pub async fn play(
        &self,
        sales: &[Sale],
        attempts: impl Iterator<Item = Attempt> + Send + 'static,
    ) -> Result<History> {
        self.start(sales, attempts)?.finish().await
    }

    /// Who sends the requests. Without an admin's token they can only be a buyer's.
    pub fn caller(&self, admin_token: &str, sales: &[Sale], recorder: Recorder) -> Result<Caller> {
        ensure!(!sales.is_empty(), "there is nothing to order");
        let client = |url: &String| Client::with(url, admin_token, self.timeout);
        let clients = self.urls.iter().map(client).collect::<Result<_>>()?;
        Ok(Caller {
            sales: sales.into(),
            recorder,
            clients,
        })
    }

    /// Starts sending requests with this caller, beside what others send with it.
    pub fn start_with(
        &self,
        caller: &Caller,
        attempts: impl Iterator<Item = Attempt> + Send + 'static,
    ) -> Running {
        let start = caller.recorder.start.max(Instant::now());
        let (stream, stop) = (
            Stream::new(self, caller, attempts, start),
            CancellationToken::new(),
        );
        Running {
            player: self.clone(),
            caller: caller.clone(),
            stop: stop.clone(),
            sending: tokio::spawn(stream.run(start, stop)),
        }
    }
}

impl Running {
    /// When the first request was due.
    pub fn begin(&self) -> Instant {
        self.caller.recorder.start
    }

    pub fn progress(&self) -> Progress {
        *self.caller.recorder.progress.borrow()
    }

    /// Waits until this many tries have ended.
    ///
    /// # Errors
    /// When that takes longer than two minutes.
    pub async fn answered(&self, wanted: u64) -> Result<()> {
        self.reaches(ANSWER_LIMIT, |it| it.ended >= wanted).await
    }

    /// Waits until the orders that a constant rate sends in this time have been sent.
    pub async fn continues_for(&self, time: Duration) -> Result<()> {
        let Pace::PerSecond(rate) = self.player.pace else {
            anyhow::bail!("this load has no rate");
        };
        let wanted = self.progress().sent + (f64::from(rate) * time.as_secs_f64()) as u64;
        self.reaches(time + BEHIND_LIMIT, |it| it.sent >= wanted)
            .await
    }

    async fn reaches(
        &self,
        limit: Duration,
        is_there: impl FnMut(&Progress) -> bool,
    ) -> Result<()> {
        let mut progress = self.caller.recorder.progress.subscribe();
        let reached = timeout(limit, progress.wait_for(is_there)).await;
        reached.with_context(|| format!("after {limit:?} only {:?}", self.progress()))??;
        Ok(())
    }

    /// Waits for the end like [`Running::finish`], and prints the progress from time to time.
    pub async fn finish_and_print(self) -> Result<History> {
        let recorder = self.caller.recorder.clone();
        let mut history = std::pin::pin!(self.finish());
        loop {
            tokio::select! {
                history = &mut history => return history,
                () = sleep(BETWEEN_LINES) => {
                    let seconds = recorder.start.elapsed().as_secs_f64();
                    println!("{seconds:6.1} s  {}", *recorder.progress.borrow());
                }
            }
        }
    }

    /// Sends no new requests; those that were sent are still retried.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until every request has its final answer or was given up.
    ///
    /// # Errors
    /// When a sender panicked.
    pub async fn end(&mut self) -> Result<Sent> {
        (&mut self.sending).await.context("a load panicked")?
    }

    /// The same; with everything that was recorded.
    pub async fn finish(mut self) -> Result<History> {
        let sent = self.end().await?;
        Ok(History::new(self.player.clone(), &self.caller, sent))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::answer::Failure;
    use crate::load::once;

    fn play(player: &Player, count: u32) -> Running {
        let sales = [Sale::unique("player", 1).unwrap()];
        player.start(&sales, once(0..1, 0..count)).unwrap()
    }

    /// A listener whose connections are never answered, and a player that has one of them.
    async fn unanswered() -> (TcpListener, Player) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let player = Player {
            connections: 1,
            timeout: Duration::from_millis(200),
            grace: Duration::from_millis(300),
            ..Player::constant_rate(1_000, vec![url])
        };
        (listener, player)
    }

    #[tokio::test]
    async fn a_failed_order_is_retried_and_given_up_after_its_last_try() {
        let (listener, player) = unanswered().await;
        drop(listener);
        let (tries, grace) = (3, Duration::from_secs(90));
        let player = Player {
            tries,
            grace,
            ..player
        };
        let history = play(&player, 1).finish().await.unwrap();
        let tries = history.orders();
        let failures: Vec<_> = tries.map(|it| (it.number, it.response.failure())).collect();
        let refused = Some(Failure::Refused);
        assert_eq!(failures, [(1, refused), (2, refused), (3, refused)]);
        assert_eq!((history.sent.orders, history.given_up()), (1, 1));
        assert!(history.sent.complete);
    }

    #[tokio::test]
    async fn a_stopped_load_sends_no_new_orders_and_ends_after_its_grace() {
        let (_listener, player) = unanswered().await;
        let running = play(&player, 1_000_000);
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
        let running = play(&player, 100);
        let sent = running.finish().await.unwrap().sent;
        assert!(!sent.complete && sent.orders < 100, "{sent:?}");
    }
}
