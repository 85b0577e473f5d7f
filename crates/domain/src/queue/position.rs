use std::num::NonZeroU64;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{HolderId, Ticket};

/// One more than the highest [`QueuePosition::Early`]: 2^52, which Lua and JavaScript can represent exactly.
pub const EARLY_END: u64 = 1 << 52;

/// Where a ticket stands in the queue. Computed, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePosition {
    /// Joined before the start: a number below [`EARLY_END`] that nobody can choose or know before the seed is shown.
    Early(u64),
    /// Joined after the start: the number of the ticket. Served after everybody who joined before it.
    Late(NonZeroU64),
}

impl QueuePosition {
    /// The position of a ticket in the sale with this seed.
    pub fn of(ticket: &Ticket, seed: &[u8; 32]) -> Self {
        match ticket.number {
            Some(number) => Self::Late(number),
            None => Self::Early(early(&ticket.holder, seed)),
        }
    }
}

/// The upper 52 bits of HMAC-SHA256(seed, holder).
fn early(holder: &HolderId, seed: &[u8; 32]) -> u64 {
    let mac = Hmac::<Sha256>::new_from_slice(seed).expect("a key may have any length");
    let mac = mac.chain_update(holder.as_bytes()).finalize().into_bytes();
    let mut upper = [0; 8];
    upper.copy_from_slice(&mac[..8]);
    u64::from_be_bytes(upper) >> 12
}

/// How far the queue has been served. Both numbers only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thresholds {
    /// Early positions below it have been served; at most [`EARLY_END`].
    pub served_below: u64,
    /// Late numbers up to it have been served.
    pub served_late: u64,
}

impl Thresholds {
    /// Whether the queue has been served beyond this position.
    pub fn have_passed(&self, position: QueuePosition) -> bool {
        match position {
            QueuePosition::Early(value) => value < self.served_below,
            QueuePosition::Late(number) => number.get() <= self.served_late,
        }
    }

    /// People who are served before this position, of `joined` who joined before the start: an estimate among those, because only
    /// their number is known.
    pub fn ahead(&self, position: QueuePosition, joined: u64) -> u64 {
        let early_below = |end: u64| {
            let span = end.saturating_sub(self.served_below);
            let people = u128::from(span) * u128::from(joined) / u128::from(EARLY_END);
            u64::try_from(people).unwrap_or(u64::MAX)
        };
        match position {
            QueuePosition::Early(value) => early_below(value),
            QueuePosition::Late(number) => {
                let late = number.get().saturating_sub(self.served_late);
                early_below(EARLY_END).saturating_add(late.saturating_sub(1))
            }
        }
    }

    /// People who have been served, of `joined` who joined before the start.
    pub fn served(&self, joined: u64) -> u64 {
        let early = u128::from(self.served_below) * u128::from(joined) / u128::from(EARLY_END);
        u64::try_from(early)
            .unwrap_or(u64::MAX)
            .saturating_add(self.served_late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ProductId, UserId};
    use crate::queue::QueueSecret;
    use jiff::Timestamp;

    fn thresholds(served_below: u64, served_late: u64) -> Thresholds {
        Thresholds {
            served_below,
            served_late,
        }
    }

    fn late(number: u64) -> QueuePosition {
        QueuePosition::Late(NonZeroU64::new(number).unwrap())
    }

    fn positions(users: impl Iterator<Item = String>) -> Vec<u64> {
        let secret = QueueSecret::new(b"0123456789abcdef0123456789abcdef").unwrap();
        let opens_at = Timestamp::from_millisecond(1_795_219_200_000).unwrap();
        let seed = secret.seed(&ProductId::parse("iphone-15").unwrap(), opens_at);
        let of = |user: String| {
            early(
                &HolderId::of(&UserId::parse(&user).unwrap(), &secret),
                &seed,
            )
        };
        users.map(of).collect()
    }

    /// As Python's `hmac` computes them. Frozen: people compute them from their tickets.
    #[test]
    fn positions_are_frozen() {
        let found = positions(
            ["ada", "grace", "linus", "user 4711"]
                .map(str::to_owned)
                .into_iter(),
        );
        assert_eq!(
            found,
            [
                3109932420232475,
                1765887015242230,
                2176883411497894,
                1288239194930376
            ]
        );
    }

    /// The upper bound of chi-square with 9 degrees of freedom that a fair draw exceeds once in a million.
    const CHI_SQUARE_MAX: f64 = 44.8;

    fn chi_square(deciles: impl Iterator<Item = usize>) -> f64 {
        let mut counts = [0.0; 10];
        deciles.for_each(|decile| counts[decile] += 1.0);
        let expected = counts.iter().sum::<f64>() / 10.0;
        counts
            .iter()
            .map(|count| (count - expected).powi(2) / expected)
            .sum()
    }

    #[test]
    fn positions_are_uniform_and_do_not_depend_on_the_name() {
        let people = 20_000;
        let found = positions((0..people).map(|n| format!("user-{n:05}")));
        let decile = |value: u64| usize::try_from(value * 10 / EARLY_END).unwrap();
        assert!(chi_square(found.iter().map(|value| decile(*value))) < CHI_SQUARE_MAX);
        // Of those who are served in the first tenth, how many come from each tenth of the names.
        let first = (0..people).filter(|n| decile(found[*n]) == 0);
        assert!(chi_square(first.map(|n| n * 10 / people)) < CHI_SQUARE_MAX);
        // The same statistic sees positions that follow the names.
        let by_name = (0..people / 10).map(|n| n * 10 / people);
        assert!(chi_square(by_name) > CHI_SQUARE_MAX);
    }

    #[test]
    fn thresholds_pass_early_positions_first_and_late_numbers_in_order() {
        let served = thresholds(100, 2);
        assert!(served.have_passed(QueuePosition::Early(99)));
        assert!(!served.have_passed(QueuePosition::Early(100)));
        assert!(served.have_passed(late(2)));
        assert!(!served.have_passed(late(3)));
    }

    #[test]
    fn people_ahead_are_the_early_ones_that_are_left_then_the_late_ones() {
        let half = EARLY_END / 2;
        assert_eq!(
            thresholds(0, 0).ahead(QueuePosition::Early(half), 1_000_000),
            500_000
        );
        assert_eq!(
            thresholds(half, 0).ahead(QueuePosition::Early(half), 1_000_000),
            0
        );
        assert_eq!(thresholds(half, 0).ahead(late(1), 1_000), 500);
        assert_eq!(thresholds(EARLY_END, 10).ahead(late(15), 1_000), 4);
        assert_eq!(thresholds(EARLY_END, 10).ahead(late(3), 1_000), 0);
        assert_eq!(thresholds(half, 7).served(1_000), 507);
        assert_eq!(
            thresholds(0, 0).ahead(QueuePosition::Early(EARLY_END - 1), u64::MAX),
            u64::MAX - 4_096
        );
    }
}
