use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fluxgate_domain::ids::UserId;
use fluxgate_domain::queue::{HolderId, InvalidTicket, QueuePosition, QueueSecret, Ticket};
use fluxgate_gate::{QueueBinding, QueueKeys, QueueMark, QueuePhase};
use jiff::Timestamp;
use prometheus::IntCounter;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::join_request::JoinRequest;
use super::{QueueError, QueueSnapshot, WorkKey};
use crate::boot_instant::BootInstant;
use crate::sales::Sale;

/// How long a caller waits for the first snapshot.
const FIRST_SNAPSHOT_WAIT: Duration = Duration::from_secs(1);
/// How long after the start the seed is shown, so that nobody can compute positions while others still join early.
const SEED_SHOWN_AFTER: Duration = Duration::from_secs(3);

/// The queue of a sale, as one instance knows it.
pub struct SaleQueue {
    pub(super) sale: Arc<Sale>,
    pub(super) keys: QueueKeys,
    /// What Redis must agree with.
    pub(super) binding: QueueBinding,
    secret: QueueSecret,
    /// The start in the terms, which seed and tickets are bound to. The sale opens a few milliseconds later if its tag was taken.
    asked_opens_at: Timestamp,
    seed: [u8; 32],
    seed_sha256: [u8; 32],
    /// The highest state that this instance has seen.
    mark: Mutex<QueueMark>,
    pub(super) snapshot: watch::Sender<Option<Arc<QueueSnapshot>>>,
    /// Asks the task for a snapshot at once.
    pub(super) refresh: Notify,
    joins: mpsc::Sender<JoinRequest>,
    joins_full_total: IntCounter,
    /// Ends the task.
    pub(super) stop: CancellationToken,
}

/// A ticket, with the text that its holder gets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SignedTicket {
    pub ticket: Ticket,
    pub text: String,
}

impl SaleQueue {
    pub(super) fn new(
        sale: Arc<Sale>,
        keys: QueueKeys,
        secret: QueueSecret,
        asked_opens_at: Timestamp,
        joins: mpsc::Sender<JoinRequest>,
        joins_full_total: IntCounter,
        stop: CancellationToken,
    ) -> Self {
        let seed = secret.seed(&sale.facts.product, asked_opens_at);
        Self {
            binding: QueueBinding {
                opens_at: sale.facts.opens_at,
                secret: secret.fingerprint(),
            },
            keys,
            seed,
            seed_sha256: fluxgate_domain::queue::seed_sha256(&seed),
            secret,
            asked_opens_at,
            sale,
            mark: Mutex::default(),
            snapshot: watch::Sender::new(None),
            refresh: Notify::new(),
            joins,
            joins_full_total,
            stop,
        }
    }

    /// When the sale starts.
    pub fn opens_at(&self) -> Timestamp {
        self.binding.opens_at
    }

    /// The SHA-256 of the seed.
    pub fn seed_sha256(&self) -> &[u8; 32] {
        &self.seed_sha256
    }

    /// The seed, once it is shown.
    pub fn shown_seed(&self, snapshot: &QueueSnapshot) -> Option<&[u8; 32]> {
        let shown_at = self.opens_at().saturating_add(SEED_SHOWN_AFTER);
        let is_shown =
            snapshot.view.mark.is_started && shown_at.is_ok_and(|at| at <= snapshot.view.seen_at);
        is_shown.then_some(&self.seed)
    }

    /// Whether its task runs.
    pub(super) fn is_served(&self) -> bool {
        !self.joins.is_closed()
    }

    /// Whether the sale was closed when it was read last. Then nothing changes any more.
    pub(super) fn is_closed(&self) -> bool {
        let snapshot = self.snapshot.borrow();
        let phase = snapshot.as_ref().map(|it| it.view.phase);
        phase == Some(QueuePhase::Closed)
    }

    /// Whether the position of a ticket may be told: that of somebody who joined early only once the seed is shown.
    pub fn is_position_shown(&self, ticket: &Ticket, snapshot: &QueueSnapshot) -> bool {
        ticket.number.is_some() || self.shown_seed(snapshot).is_some()
    }

    /// Lets a user join who has no ticket.
    ///
    /// # Errors
    /// If they did not join; after [`QueueError::Gate`] they may have.
    pub async fn join(&self, user: &UserId) -> Result<SignedTicket, QueueError> {
        let holder = HolderId::of(user, &self.secret);
        let (answer, answered) = oneshot::channel();
        let request = JoinRequest {
            holder,
            asked_at: Instant::now(),
            answer,
        };
        self.joins.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.joins_full_total.inc();
                QueueError::Overloaded
            }
            TrySendError::Closed(_) => QueueError::Stale,
        })?;
        // Without an answer, the task has ended: Redis no longer has this queue.
        let ticket = answered.await.unwrap_or(Err(QueueError::Stale))?;
        Ok(self.sign(ticket))
    }

    /// The key of the proofs of work that `user` joins with.
    pub fn work_key(&self, user: &UserId) -> WorkKey {
        WorkKey::new(self.secret.work_key(&self.sale.facts.product, user))
    }

    /// The ticket with this text, if it is of this sale and of `user`.
    ///
    /// # Errors
    /// If it is not.
    pub fn verify(&self, text: &str, user: &UserId) -> Result<Ticket, InvalidTicket> {
        let ticket = self.read(text)?;
        match ticket.holder == HolderId::of(user, &self.secret) {
            true => Ok(ticket),
            false => Err(InvalidTicket),
        }
    }

    /// The ticket with this text, if it is of this sale.
    ///
    /// # Errors
    /// If it is not.
    pub fn read(&self, text: &str) -> Result<Ticket, InvalidTicket> {
        Ticket::verify(
            text,
            &self.secret,
            &self.sale.facts.product,
            self.asked_opens_at,
        )
    }

    /// Where a ticket stands.
    pub fn position(&self, ticket: &Ticket) -> QueuePosition {
        QueuePosition::of(ticket, &self.seed)
    }

    /// The last snapshot. Waits for the first one for a moment.
    ///
    /// # Errors
    /// If there is none that is recent.
    pub async fn snapshot(&self) -> Result<Arc<QueueSnapshot>, QueueError> {
        let mut found = self.snapshot.borrow().clone();
        if found.is_none() {
            found = self.first_snapshot().await;
        }
        found.filter(|it| !it.is_stale()).ok_or(QueueError::Stale)
    }

    async fn first_snapshot(&self) -> Option<Arc<QueueSnapshot>> {
        let mut changes = self.snapshot.subscribe();
        let first = changes.wait_for(Option::is_some);
        let found = tokio::time::timeout(FIRST_SNAPSHOT_WAIT, first).await;
        found.ok()?.ok()?.clone()
    }

    /// A snapshot that is read now, for a position that may have been served since the last one: another instance may have
    /// shown that already.
    ///
    /// # Errors
    /// If there is none that is recent.
    pub async fn fresh_snapshot(&self) -> Result<Arc<QueueSnapshot>, QueueError> {
        let now = BootInstant::now();
        let mut changes = self.snapshot.subscribe();
        self.refresh.notify_one();
        let is_fresh = |it: &Option<Arc<QueueSnapshot>>| {
            it.as_ref()
                .is_some_and(|snapshot| snapshot.is_read_after(now))
        };
        let fresh = changes.wait_for(is_fresh);
        // Otherwise the last one decides.
        let _ = tokio::time::timeout(FIRST_SNAPSHOT_WAIT, fresh).await;
        self.snapshot().await
    }

    /// The highest state that this instance has seen.
    pub(super) fn mark(&self) -> QueueMark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn observe(&self, mark: &QueueMark) {
        let mut known = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        known.raise(mark);
    }

    /// Signs a ticket of this sale.
    pub fn sign(&self, ticket: Ticket) -> SignedTicket {
        let product = &self.sale.facts.product;
        SignedTicket {
            text: ticket.sign(&self.secret, product, self.asked_opens_at),
            ticket,
        }
    }
}
