use fluxgate_service::essential_tasks::EssentialTasks;
use tokio::sync::{mpsc, oneshot};

/// Maximum acknowledgements passed on at once.
const BATCH_MAX: usize = 256;

/// Passes acknowledgements to the callers that wait on one thread.
///
/// They arrive on librdkafka's thread, hundreds at once. Waking another thread costs a system call each time, so they
/// go through a queue whose reader is woken once for all that have arrived. The queue holds at most one entry per
/// message in flight, which the producer's own queue bounds.
#[derive(Clone)]
pub struct AckDispatcher(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// Tells one waiting caller that Kafka has its message, or, if it is dropped unused, that the delivery failed.
pub struct AckHandle {
    caller: oneshot::Sender<()>,
    dispatcher: AckDispatcher,
}

impl AckDispatcher {
    /// A dispatcher for callers that wait on the runtime of the calling thread. Without it they would take every
    /// acknowledgement for a late one, so it is an essential task.
    pub fn on_this_thread(tasks: &EssentialTasks) -> Self {
        let (sender, mut queue) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        tasks.spawn("ack_dispatcher", async move {
            let mut arrived = Vec::new();
            while queue.recv_many(&mut arrived, BATCH_MAX).await > 0 {
                for caller in arrived.drain(..) {
                    // The caller may have stopped waiting.
                    caller.send(()).ok();
                }
            }
        });
        Self(sender)
    }

    /// A handle for one message, and the receiver that its caller waits on.
    pub fn handle(&self) -> (AckHandle, oneshot::Receiver<()>) {
        let (caller, acknowledged) = oneshot::channel();
        let dispatcher = self.clone();
        (AckHandle { caller, dispatcher }, acknowledged)
    }
}

impl AckHandle {
    /// Kafka has the message.
    pub fn acknowledge(self) {
        // Fails only after the caller's runtime has ended.
        self.dispatcher.0.send(self.caller).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    use tokio_util::sync::CancellationToken;

    use super::*;

    struct Panic;

    impl Wake for Panic {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }

    #[tokio::test]
    async fn a_panic_while_a_caller_is_told_ends_the_program() {
        let shutdown = CancellationToken::new();
        let tasks = EssentialTasks::new(shutdown.clone());
        let dispatcher = AckDispatcher::on_this_thread(&tasks);
        let (ack, acknowledged) = dispatcher.handle();
        let waker = Waker::from(Arc::new(Panic));
        let mut acknowledged = pin!(acknowledged);
        let waiting = acknowledged.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(waiting.is_pending());
        ack.acknowledge();
        shutdown.cancelled().await;
        let failure = tasks.outcome().unwrap_err().to_string();
        assert_eq!(failure, "essential task ack_dispatcher panicked");
    }
}
