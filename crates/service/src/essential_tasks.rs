//! Tasks that a program cannot do without.
//!
//! A program whose server, relay or monitor has ended looks healthy and does not do its work. So the end of an essential
//! task ends the program, in order and with exit code 1, and its supervisor starts it again.

use std::sync::{Arc, OnceLock};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The essential tasks of a program. Clones share them. By default nothing ends with them, as fits a command that makes a
/// few calls: a failure is only logged.
#[derive(Clone, Default)]
pub struct EssentialTasks {
    shutdown: CancellationToken,
    first_failure: Arc<OnceLock<TaskFailure>>,
}

/// How an essential task failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TaskFailure {
    /// It panicked.
    #[error("essential task {0} panicked")]
    Panicked(&'static str),
    /// It ended before the program was to stop.
    #[error("essential task {0} ended by itself")]
    Ended(&'static str),
}

impl EssentialTasks {
    /// They may end once `shutdown` is cancelled. If one ends before, it is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            shutdown,
            first_failure: Arc::default(),
        }
    }

    /// Runs `task` on the current runtime. Logs name it by `name`.
    pub fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let running = self.begin(name);
        tokio::spawn(async move {
            task.await;
            drop(running);
        })
    }

    /// Runs a task that ends when nobody needs it any more, or with its runtime: only its panic ends the program.
    pub fn spawn_finite(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut running = self.begin(name);
        running.may_end = true;
        tokio::spawn(async move {
            task.await;
            drop(running);
        });
    }

    /// For a task that runs elsewhere: it holds what this returns for as long as it runs.
    pub fn begin(&self, name: &'static str) -> EssentialTask {
        EssentialTask {
            name,
            tasks: self.clone(),
            may_end: false,
        }
    }

    /// What the program returns once it has stopped.
    ///
    /// # Errors
    /// The first failure of a task.
    pub fn outcome(&self) -> std::io::Result<()> {
        match self.first_failure.get() {
            Some(failure) => Err(std::io::Error::other(failure.clone())),
            None => Ok(()),
        }
    }

    fn fail(&self, failure: TaskFailure) {
        tracing::error!(error = %failure, "shutting down");
        self.first_failure.set(failure).ok();
        self.shutdown.cancel();
    }
}

/// Held by an essential task while it runs.
#[must_use]
pub struct EssentialTask {
    name: &'static str,
    tasks: EssentialTasks,
    may_end: bool,
}

impl EssentialTask {
    /// Its work is done, so it may end.
    pub fn finish(mut self) {
        self.may_end = true;
    }
}

impl Drop for EssentialTask {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tasks.fail(TaskFailure::Panicked(self.name));
        } else if !self.may_end && !self.tasks.shutdown.is_cancelled() {
            self.tasks.fail(TaskFailure::Ended(self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks() -> (EssentialTasks, CancellationToken) {
        let shutdown = CancellationToken::new();
        (EssentialTasks::new(shutdown.clone()), shutdown)
    }

    fn failure(tasks: &EssentialTasks) -> String {
        tasks.outcome().unwrap_err().to_string()
    }

    #[test]
    fn a_finite_task_may_end_with_its_runtime() {
        let (tasks, shutdown) = tasks();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { tasks.spawn_finite("waiting", std::future::pending()) });
        drop(runtime);
        tasks.outcome().unwrap();
        assert!(!shutdown.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_shuts_the_program_down() {
        let (tasks, shutdown) = tasks();
        tasks.spawn("relay", async {});
        shutdown.cancelled().await;
        assert_eq!(failure(&tasks), "essential task relay ended by itself");
    }

    #[tokio::test]
    async fn a_task_that_panics_shuts_the_program_down() {
        let (tasks, shutdown) = tasks();
        tasks.spawn("relay", async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        });
        shutdown.cancelled().await;
        assert_eq!(failure(&tasks), "essential task relay panicked");
    }

    #[test]
    fn a_thread_that_panics_shuts_the_program_down() {
        let (tasks, shutdown) = tasks();
        let running = tasks.begin("reader");
        let thread = std::thread::spawn(move || {
            let _running = running;
            panic!("on purpose");
        });
        thread.join().unwrap_err();
        assert!(shutdown.is_cancelled());
        assert_eq!(failure(&tasks), "essential task reader panicked");
    }

    #[tokio::test]
    async fn tasks_may_end_after_the_shutdown_or_when_their_work_is_done() {
        let (tasks, shutdown) = tasks();
        tasks.begin("writer").finish();
        assert!(!shutdown.is_cancelled());
        shutdown.cancel();
        tasks.spawn("relay", async {}).await.unwrap();
        tasks.outcome().unwrap();
    }

    #[tokio::test]
    async fn a_finite_task_may_end_but_not_panic() {
        let (tasks, shutdown) = tasks();
        let (ending, ended) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn_finite("probe", async move { drop(ending) });
        ended.await.unwrap_err();
        tokio::task::yield_now().await;
        tasks.outcome().unwrap();
        tasks.spawn_finite("probe", async { panic!("on purpose") });
        shutdown.cancelled().await;
        assert_eq!(failure(&tasks), "essential task probe panicked");
    }

    #[tokio::test]
    async fn a_task_that_panics_during_the_shutdown_is_reported() {
        let (tasks, shutdown) = tasks();
        shutdown.cancel();
        let ended = tasks.spawn("acker", async { panic!("on purpose") });
        ended.await.unwrap_err();
        assert_eq!(failure(&tasks), "essential task acker panicked");
    }
}
