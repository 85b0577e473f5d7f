use std::time::{Duration, Instant};

use fluxgate_domain::queue::{HolderId, Ticket};
use prometheus::IntCounter;
use tokio::sync::oneshot;

use super::QueueError;

/// How long somebody waits for the call that lets them join. Redis is slow or unavailable then, or too many people are joining.
const JOIN_WAIT_MAX: Duration = Duration::from_secs(2);

/// Somebody who joins, and where the answer goes.
pub struct JoinRequest {
    pub holder: HolderId,
    pub asked_at: Instant,
    pub answer: oneshot::Sender<Result<Ticket, QueueError>>,
}

/// Those who are to join now. Who has gone is dropped; who has waited for too long is told so, and counted in `overdue_total`.
pub fn due(requests: Vec<JoinRequest>, overdue_total: &IntCounter) -> Vec<JoinRequest> {
    let mut due = Vec::with_capacity(requests.len());
    for request in requests {
        if request.answer.is_closed() {
            continue;
        }
        if request.asked_at.elapsed() <= JOIN_WAIT_MAX {
            due.push(request);
            continue;
        }
        overdue_total.inc();
        // The client may have disconnected.
        request.answer.send(Err(QueueError::Stale)).ok();
    }
    due
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::UserId;

    use super::*;
    use crate::queue::fixture;

    type Answered = oneshot::Receiver<Result<Ticket, QueueError>>;

    fn holder(user: &str) -> HolderId {
        HolderId::of(&UserId::parse(user).unwrap(), &fixture::secret())
    }

    fn request(user: &str, waited: Duration) -> (JoinRequest, Answered) {
        let (answer, answered) = oneshot::channel();
        let request = JoinRequest {
            holder: holder(user),
            asked_at: Instant::now().checked_sub(waited).unwrap(),
            answer,
        };
        (request, answered)
    }

    #[test]
    fn who_has_gone_or_has_waited_for_too_long_does_not_join() {
        let overdue_total = IntCounter::new("overdue_total", "for a test").unwrap();
        let (gone, answered) = request("ada", Duration::ZERO);
        drop(answered);
        let (overdue, mut told) = request("bob", JOIN_WAIT_MAX + Duration::from_millis(1));
        let (prompt, mut waits) = request("carol", Duration::ZERO);
        let due = due(vec![gone, overdue, prompt], &overdue_total);
        let holders: Vec<_> = due.iter().map(|it| it.holder).collect();
        assert_eq!(holders, [holder("carol")]);
        assert!(matches!(told.try_recv(), Ok(Err(QueueError::Stale))));
        assert!(waits.try_recv().is_err());
        assert_eq!(overdue_total.get(), 1);
    }
}
