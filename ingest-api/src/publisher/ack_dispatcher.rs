use tokio::sync::{mpsc, oneshot};

/// Most receipts passed on in one go.
const BATCH_MAX: usize = 256;

/// Where one thread's acknowledgements come in.
///
/// They arrive on librdkafka's thread, hundreds at once. Waking another thread costs a system call
/// each time, so they are put into a queue whose reader is woken once for all that have come. As
/// many lie in it as messages are in flight, which the producer's own queue bounds.
#[derive(Clone)]
pub struct AckDispatcher(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// Tells one waiting publisher that Kafka has its message.
pub struct AckHandle {
    waiting: oneshot::Sender<()>,
    receipts: AckDispatcher,
}

impl AckDispatcher {
    /// AckDispatcher for whoever waits on the runtime of the calling thread.
    pub fn here() -> Self {
        let (sender, mut queue) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        tokio::spawn(async move {
            let mut came = Vec::new();
            while queue.recv_many(&mut came, BATCH_MAX).await > 0 {
                for waiting in came.drain(..) {
                    // The one who waited may have given up.
                    waiting.send(()).ok();
                }
            }
        });
        Self(sender)
    }

    /// A receipt, and what learns of its being handed in or dropped.
    pub fn issue(&self) -> (AckHandle, oneshot::Receiver<()>) {
        let (waiting, told) = oneshot::channel();
        let receipts = self.clone();
        (AckHandle { waiting, receipts }, told)
    }
}

impl AckHandle {
    /// Kafka has the message.
    pub fn hand_in(self) {
        // Nobody is left on a runtime that has ended.
        self.receipts.0.send(self.waiting).ok();
    }
}
