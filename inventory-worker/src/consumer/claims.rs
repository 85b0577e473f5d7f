//! Why this worker reads what it reads. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the group has said of each partition that is read.
#[derive(Debug)]
pub struct Claims {
    all: HashMap<i32, Claim>,
    session: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// The group gave it.
    Given,
    /// The group gave it, and has lost this worker since: nobody else may have it yet.
    Lost,
    /// The group is back and gave something else. It gives this partition to somebody once it has
    /// forgotten whom it lost; until then, it is read on.
    Ending { at: Instant },
}

impl Claims {
    /// None yet. The group remembers for a `session` whom it has lost.
    pub fn new(session: Duration) -> Self {
        Self {
            all: HashMap::new(),
            session,
        }
    }

    /// The group gives partitions; those that were not read before are returned.
    pub fn given(&mut self, partitions: Vec<i32>, now: Instant) -> Vec<i32> {
        let at = now + self.session;
        for claim in self.all.values_mut() {
            if *claim == Claim::Lost {
                *claim = Claim::Ending { at };
            }
        }
        let mut new = partitions;
        new.retain(|&partition| self.all.insert(partition, Claim::Given).is_none());
        new
    }

    /// The group and this worker have lost each other.
    pub fn lost(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(claim) = self.all.get_mut(partition) {
                *claim = Claim::Lost;
            }
        }
    }

    /// A partition is not read any more.
    pub fn remove(&mut self, partition: i32) {
        self.all.remove(&partition);
    }

    /// The partitions that somebody else has by now.
    pub fn ended(&self, now: Instant) -> Vec<i32> {
        let all = self.all.iter();
        let ended = all.filter(|(_, claim)| matches!(claim, Claim::Ending { at } if *at <= now));
        ended.map(|(partition, _)| *partition).collect()
    }

    /// Whether the group says that this worker reads the partition.
    pub fn holds(&self, partition: i32) -> bool {
        self.all.get(&partition) == Some(&Claim::Given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(6);

    fn claims() -> (Claims, Instant) {
        let mut claims = Claims::new(SESSION);
        let now = Instant::now();
        assert_eq!(claims.given(vec![1, 2, 3], now), [1, 2, 3]);
        (claims, now)
    }

    #[test]
    fn what_is_given_is_new_once() {
        let (mut claims, now) = claims();
        assert_eq!(claims.given(vec![3, 4], now), [4]);
        claims.remove(4);
        assert!(!claims.holds(4));
        assert_eq!(claims.given(vec![4], now), [4]);
    }

    #[test]
    fn what_is_lost_is_read_until_a_session_after_the_group_speaks_again() {
        let (mut claims, now) = claims();
        claims.lost(&[1, 2, 3]);
        assert!(!claims.holds(1));
        let later = now + 100 * SESSION;
        assert!(claims.ended(later).is_empty(), "nobody else was named");

        assert!(claims.given(vec![1], later).is_empty(), "it is being read");
        assert!(claims.holds(1));
        assert!(claims.ended(later).is_empty(), "ghosts hold the others");
        assert!(claims.given(vec![2], later + SESSION / 2).is_empty());
        assert_eq!(claims.ended(later + SESSION), [3]);
    }
}
