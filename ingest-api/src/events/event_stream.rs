use std::convert::Infallible;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use prometheus::IntCounter;
use tokio::sync::watch;

use super::StreamSlot;
use super::latest_event::LatestEvent;

/// How long a stream lasts at least, and at most how much longer. Streams end at different times, so that their clients come
/// back at different times, also to instances that were started since.
const LIFETIME: Duration = Duration::from_secs(300);
const LIFETIME_SPREAD: Duration = Duration::from_secs(300);
/// Milliseconds after which a client comes back.
const RETRY_MS: std::ops::RangeInclusive<u32> = 1_000..=5_000;
/// Events and no comments, so that a page sees that its stream lives. They have no id, so that of the last view stays.
const HEARTBEAT: Bytes = Bytes::from_static(b"event: heartbeat\ndata: {\"isCurrent\":true}\n\n");
/// While the sale cannot be read: the last view may be outdated.
const HEARTBEAT_WITHOUT_VIEW: Bytes =
    Bytes::from_static(b"event: heartbeat\ndata: {\"isCurrent\":false}\n\n");

/// The events that one client is sent. It has no timer and no queue: its sale's watcher wakes it.
pub struct EventStream {
    latest: watch::Receiver<LatestEvent>,
    retry: Option<Bytes>,
    /// The number of the view that was sent last; 0: none.
    sent: u64,
    heartbeats: u64,
    opened_at: Instant,
    /// When it ends, as a share of the time in which streams end: from 0 to 1, random.
    end_share: f32,
    events_total: IntCounter,
    _slot: StreamSlot,
}

impl EventStream {
    /// A stream of what `latest` becomes. A client that has the view `last_id` is not sent it again.
    pub(super) fn new(
        mut latest: watch::Receiver<LatestEvent>,
        last_id: Option<&[u8]>,
        events_total: IntCounter,
        slot: StreamSlot,
    ) -> Self {
        let (sent, heartbeats) = {
            let latest = latest.borrow_and_update();
            let is_known = latest.is_current && last_id == Some(latest.id.as_bytes());
            let sent = if is_known { latest.number } else { 0 };
            (sent, latest.heartbeats)
        };
        Self {
            latest,
            retry: Some(format!("retry: {}\n\n", fastrand::u32(RETRY_MS)).into()),
            sent,
            heartbeats,
            opened_at: Instant::now(),
            end_share: fastrand::f32(),
            events_total,
            _slot: slot,
        }
    }

    /// The body of the answer.
    pub fn into_body(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut this| {
            let bytes = this.next().await?;
            Some((Ok(bytes), this))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(retry) = self.retry.take() {
            return Some(retry);
        }
        loop {
            match self.take_next(Instant::now()) {
                Next::Send(bytes) => return Some(bytes),
                Next::End => return None,
                Next::Wait => self.latest.changed().await.ok()?,
            }
        }
    }

    fn take_next(&mut self, now: Instant) -> Next {
        let lifetime = LIFETIME + LIFETIME_SPREAD.mul_f32(self.end_share);
        let latest = self.latest.borrow_and_update();
        if self.end_share < latest.ended_share || now >= self.opened_at + lifetime {
            return Next::End;
        }
        if latest.is_current && latest.number != self.sent {
            (self.sent, self.heartbeats) = (latest.number, latest.heartbeats);
            self.events_total.inc();
            return Next::Send(latest.frame.clone());
        }
        if latest.heartbeats != self.heartbeats {
            self.heartbeats = latest.heartbeats;
            return Next::Send(match latest.is_current {
                true => HEARTBEAT,
                false => HEARTBEAT_WITHOUT_VIEW,
            });
        }
        Next::Wait
    }
}

/// What a stream does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Send(Bytes),
    Wait,
    End,
}

#[cfg(test)]
mod tests {
    use prometheus::IntGauge;

    use super::*;

    fn view(number: u64) -> Bytes {
        format!("view {number}").into()
    }

    fn latest(number: u64) -> LatestEvent {
        LatestEvent {
            number,
            id: format!("\"{number}\""),
            frame: view(number),
            is_current: true,
            is_closed: false,
            heartbeats: 0,
            ended_share: 0.0,
        }
    }

    fn open(last_id: Option<&str>) -> (watch::Sender<LatestEvent>, EventStream) {
        let (sender, receiver) = watch::channel(latest(1));
        let slot = StreamSlot::of(&IntGauge::new("streams", "streams").unwrap());
        let counter = IntCounter::new("events", "events").unwrap();
        let last_id = last_id.map(str::as_bytes);
        (sender, EventStream::new(receiver, last_id, counter, slot))
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_keeps_only_the_newest_view() {
        let (sender, mut stream) = open(None);
        let retry = stream.next().await.unwrap();
        assert!(retry.starts_with(b"retry: "), "{retry:?}");
        assert_eq!(stream.next().await, Some(view(1)));
        (2..=100).for_each(|number| drop(sender.send_replace(latest(number))));
        sender.send_modify(|latest| latest.heartbeats += 1);
        assert_eq!(stream.next().await, Some(view(100)));
        assert_eq!(stream.take_next(Instant::now()), Next::Wait);
        assert_eq!(stream.events_total.get(), 2);
    }

    #[test]
    fn a_view_that_may_be_outdated_is_not_sent() {
        let (sender, mut stream) = open(None);
        sender.send_modify(|latest| latest.is_current = false);
        assert_eq!(stream.take_next(Instant::now()), Next::Wait);
        sender.send_modify(|latest| latest.heartbeats += 1);
        assert_eq!(
            stream.take_next(Instant::now()),
            Next::Send(HEARTBEAT_WITHOUT_VIEW)
        );
        sender.send_modify(|latest| latest.is_current = true);
        assert_eq!(stream.take_next(Instant::now()), Next::Send(view(1)));
        sender.send_modify(|latest| latest.heartbeats += 1);
        assert_eq!(stream.take_next(Instant::now()), Next::Send(HEARTBEAT));
    }

    #[test]
    fn a_view_that_the_client_has_is_not_sent_again() {
        let (sender, mut known) = open(Some("\"1\""));
        assert_eq!(known.take_next(Instant::now()), Next::Wait);
        sender.send_replace(latest(2));
        assert_eq!(known.take_next(Instant::now()), Next::Send(view(2)));
        let (_sender, mut other) = open(Some("\"0\""));
        assert_eq!(other.take_next(Instant::now()), Next::Send(view(1)));
    }

    #[test]
    fn streams_end_after_five_to_ten_minutes() {
        let is_open_after = |minutes: u64, end_share| {
            let (_sender, mut stream) = open(None);
            stream.end_share = end_share;
            let now = stream.opened_at + Duration::from_secs(60 * minutes);
            stream.take_next(now) != Next::End
        };
        assert!(is_open_after(4, 0.0) && !is_open_after(5, 0.0));
        assert!(is_open_after(7, 0.5) && !is_open_after(8, 0.5));
        assert!(is_open_after(9, 0.99) && !is_open_after(10, 0.99));
    }

    #[test]
    fn streams_end_in_shares_while_the_service_stops() {
        let has_ended = |end_share, ended_share| {
            let (sender, mut stream) = open(None);
            stream.end_share = end_share;
            sender.send_modify(|latest| latest.ended_share = ended_share);
            stream.take_next(Instant::now()) == Next::End
        };
        assert!(!has_ended(0.0, 0.0));
        assert!(has_ended(0.2, 0.3) && !has_ended(0.4, 0.3));
        assert!(has_ended(0.999, 1.0));
    }
}
