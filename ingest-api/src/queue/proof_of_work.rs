use std::time::{SystemTime, UNIX_EPOCH};

use altcha::{
    Challenge, CreateChallengeOptions, Payload, VerifySolutionOptions, create_challenge,
    verify_solution,
};

/// How long a challenge can be answered.
const VALID_SECONDS: u64 = 60;

/// What those compute who join a queue without a ticket, so that it costs to invent users: ALTCHA, version 2, with one SHA-256 per
/// try. Checking it costs two hashes.
#[derive(Debug, Clone)]
pub struct ProofOfWork {
    prefix: String,
}

/// What signs the challenges of a user in the queue of a sale, so that nobody else can use the answer.
#[derive(Clone)]
pub struct WorkKey(String);

/// Why a proof of work is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// There is none.
    #[error("solve the challenge and send it as `work`")]
    Missing,
    /// It is wrong, or another user's, or too old.
    #[error("the work does not solve a challenge of this user and the last minute")]
    Invalid,
}

impl ProofOfWork {
    /// Work that takes 16 tries in the mean for one digit, and 16 times as many for each further one; `None` for 0 digits.
    pub fn of_digits(digits: u8) -> Option<Self> {
        (digits > 0).then(|| Self {
            prefix: "0".repeat(digits.into()),
        })
    }

    /// A new challenge.
    pub fn challenge(&self, key: &WorkKey) -> Challenge {
        create_challenge(CreateChallengeOptions {
            algorithm: "SHA-256".to_owned(),
            cost: 1,
            key_prefix: self.prefix.clone(),
            expires_at: i64::try_from(unix_seconds() + VALID_SECONDS).ok(),
            hmac_signature_secret: Some(key.0.clone()),
            ..CreateChallengeOptions::default()
        })
        .expect("the prefix is hex digits and the key is not empty")
    }

    /// Checks the work of the user of `key`.
    ///
    /// # Errors
    /// If it is missing or not accepted.
    pub fn check(&self, work: Option<&Payload>, key: &WorkKey) -> Result<(), WorkError> {
        let Payload {
            challenge,
            solution,
        } = work.ok_or(WorkError::Missing)?;
        // The signature covers all that the challenge says, and is compared first.
        let options = VerifySolutionOptions::new(challenge, solution, key.0.clone());
        match verify_solution(options) {
            Ok(result) if result.verified => Ok(()),
            Ok(_) | Err(_) => Err(WorkError::Invalid),
        }
    }
}

impl WorkKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(hex::encode(key))
    }
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use altcha::{SolveChallengeOptions, solve_challenge};

    use super::*;

    fn solved(challenge: Challenge) -> Payload {
        let solution = solve_challenge(SolveChallengeOptions::new(&challenge));
        Payload {
            solution: solution.unwrap().unwrap(),
            challenge,
        }
    }

    fn key(of: u8) -> WorkKey {
        WorkKey::new([of; 32])
    }

    #[test]
    fn the_work_of_a_user_is_accepted_from_this_user_alone() {
        let work = ProofOfWork::of_digits(2).unwrap();
        let done = solved(work.challenge(&key(1)));
        assert!(done.solution.derived_key.starts_with("00"));
        assert_eq!(work.check(Some(&done), &key(1)), Ok(()));
        assert_eq!(work.check(Some(&done), &key(2)), Err(WorkError::Invalid));
        assert_eq!(work.check(None, &key(1)), Err(WorkError::Missing));
    }

    #[test]
    fn what_was_not_computed_or_was_changed_is_not_accepted() {
        let work = ProofOfWork::of_digits(2).unwrap();
        let done = solved(work.challenge(&key(1)));
        let mut wrong = done.clone();
        wrong.solution.counter += 1;
        let mut easier = done.clone();
        easier.challenge.parameters.key_prefix = String::new();
        let mut longer = done.clone();
        longer.challenge.parameters.expires_at = Some(i64::MAX);
        let mut unsigned = done;
        unsigned.challenge.signature = None;
        for changed in [wrong, easier, longer, unsigned] {
            let checked = work.check(Some(&changed), &key(1));
            assert_eq!(checked, Err(WorkError::Invalid), "{changed:?}");
        }
    }

    #[test]
    fn work_of_more_than_a_minute_ago_is_not_accepted() {
        let old = create_challenge(CreateChallengeOptions {
            algorithm: "SHA-256".to_owned(),
            cost: 1,
            key_prefix: "0".to_owned(),
            expires_at: i64::try_from(unix_seconds() - 1).ok(),
            hmac_signature_secret: Some(key(1).0),
            ..CreateChallengeOptions::default()
        });
        let work = ProofOfWork::of_digits(1).unwrap();
        let checked = work.check(Some(&solved(old.unwrap())), &key(1));
        assert_eq!(checked, Err(WorkError::Invalid));
        let challenge = work.challenge(&key(1));
        let valid_until = challenge.parameters.expires_at.unwrap();
        let now = i64::try_from(unix_seconds()).unwrap();
        assert!((59..=60).contains(&(valid_until - now)), "{valid_until}");
    }

    #[test]
    fn no_digits_are_no_work() {
        assert!(ProofOfWork::of_digits(0).is_none());
    }
}
