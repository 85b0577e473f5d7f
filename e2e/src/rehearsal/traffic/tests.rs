use super::*;
use crate::rehearsal::check::Findings;
use crate::rehearsal::report::Report;

#[test]
fn pauses_grow_and_are_bounded() {
    for (tries, least_ms) in [(1, 100), (2, 200), (5, 1_600), (6, 2_000), (255, 2_000)] {
        let pause = pause(tries).as_millis();
        assert!((least_ms..=least_ms * 3 / 2).contains(&pause), "{pause}");
    }
}

/// 900 orders, one a second, of which the first was sent and never ends.
async fn stuck_for(time: Duration) -> Running {
    let schedule = Schedule {
        start: Instant::now().checked_sub(time).expect("time enough"),
        per_second: 1,
        count: 900,
    };
    let pacer = Pacer::start(schedule, 0);
    let shared = Arc::new(Shared {
        traffic: Traffic {
            per_second: 1,
            count: 900,
            connections: 1,
            tries: 1,
            patience: Duration::from_secs(1),
        },
        schedule,
        sales: Vec::new(),
        desk: Desk::new(pacer.permits(), 900),
        words: Words::default(),
        ordered: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        sending_us: AtomicU64::new(0),
    });
    assert_eq!(shared.desk.next().await.map(|turn| turn.order), Some(0));
    let (mut connections, idle) = (JoinSet::new(), shared.clone());
    connections.spawn(async move {
        while idle.desk.next().await.is_some() {}
        Notes::default()
    });
    Running {
        shared,
        connections,
        _pacer: pacer,
    }
}

#[tokio::test]
async fn a_load_that_was_stopped_is_not_waited_for_as_if_it_went_on() {
    let running = stuck_for(GRACE * 2).await;
    running.stop();
    // Its only order was due long ago; the 900th is not due for minutes.
    let heard = tokio::time::timeout(Duration::from_secs(10), running.finish());
    let heard = heard.await.expect("the buyers are sent away").unwrap();
    assert_eq!((heard.sent, heard.schedule.count), (1, 1));
    let report = Report::of(&heard, Findings::default());
    assert!(!report.rate_is_reached, "it was stuck when it was stopped");
}
