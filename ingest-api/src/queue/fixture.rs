//! Queues for tests, which no task serves.

use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{ProductId, Tag};
use fluxgate_domain::queue::{EARLY_END, QueueSecret, QueueSettings, Thresholds};
use fluxgate_gate::{QueueMark, QueuePhase, QueueView, SaleFacts};
use jiff::Timestamp;
use prometheus::IntCounter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::join_request::JoinRequest;
use super::{QueueSnapshot, SaleQueue};
use crate::boot_instant::BootInstant;
use crate::sales::Sale;

/// A queue, and who asks to join it.
#[allow(missing_docs)]
pub struct TestQueue {
    pub queue: Arc<SaleQueue>,
    pub joins: mpsc::Receiver<JoinRequest>,
}

impl TestQueue {
    /// The queue is read, and is in this phase.
    pub fn read(&self, phase: QueuePhase) {
        let view = QueueView { phase, ..view(5) };
        let snapshot = QueueSnapshot::new(view, BootInstant::now());
        self.queue.snapshot.send_replace(Some(Arc::new(snapshot)));
    }
}

/// The queue of the sale of a product. It has not been read yet.
pub fn queue(product: &str) -> TestQueue {
    let product = ProductId::parse(product).unwrap();
    let facts = SaleFacts {
        tag: Tag::of(&product),
        product,
        opens_at: Timestamp::UNIX_EPOCH,
        id_time: Timestamp::UNIX_EPOCH,
        closes_at: None,
        per_user_limit: Some(1),
        has_holds: false,
        has_queue: true,
        is_limited: false,
        partition: 0,
    };
    let sale = Arc::new(Sale::new(facts, SequenceNumber::default()));
    let keys = sale.keys.queue.clone().unwrap();
    let (sender, joins) = mpsc::channel(10);
    let full_total = IntCounter::new("joins_full_total", "for a test").unwrap();
    let opens_at = sale.facts.opens_at;
    let stop = CancellationToken::new();
    let queue = SaleQueue::new(sale, keys, secret(), opens_at, sender, full_total, stop);
    TestQueue {
        queue: Arc::new(queue),
        joins,
    }
}

/// The secret of these queues.
pub fn secret() -> QueueSecret {
    QueueSecret::new(&[7; QueueSecret::MIN_BYTES]).unwrap()
}

/// A started queue of ten people, half of whom have been served.
pub fn view(clock_ms: u64) -> QueueView {
    let served = Thresholds {
        served_below: EARLY_END / 2,
        served_late: 0,
    };
    QueueView {
        start: None,
        starts_now: false,
        settings: QueueSettings::default(),
        change: None,
        seen_at: Timestamp::UNIX_EPOCH,
        phase: QueuePhase::Open,
        mark: QueueMark {
            late: 0,
            served,
            clock_ms,
            joined: 10,
            is_started: true,
        },
        points: Vec::new(),
        remaining: 1,
        held: None,
        admit_per_second: 1,
        turn: Duration::from_secs(30),
        is_behind: false,
    }
}
