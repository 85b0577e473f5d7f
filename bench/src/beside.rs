use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{MissedTickBehavior, interval};

/// What `work` comes to; until then, `look` is called again and again. The work has to go on by
/// itself: it is not asked while a look takes its time.
pub async fn beside<T>(
    work: impl Future<Output = Result<T>>,
    pause: Duration,
    mut look: impl AsyncFnMut() -> Result<()>,
) -> Result<T> {
    let mut work = pin!(work);
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => look().await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_until_the_work_is_done() {
        let mut looks = 0;
        let work = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok("done")
        };
        let done = beside(work, Duration::from_millis(1), async || {
            looks += 1;
            Ok(())
        });
        assert_eq!(done.await.unwrap(), "done");
        assert!(looks > 1);
    }
}
