//! What the queues of sales are computed with.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use fluxgate_domain::queue::QueueSecret;

/// The secrets of queues.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueSettings {
    /// Secrets of sales with a queue, comma-separated, each of at least 32 bytes; required with `queue` in SALE_FEATURES. New sales get the
    /// first one [default: none]
    #[arg(long, env = "QUEUE_SECRETS", hide_env_values = true)]
    pub queue_secrets: Option<QueueSecrets>,

    /// Proof of work for joining a queue without a ticket: zero hex digits that a SHA-256 must begin with, 0 to 4; each one multiplies the
    /// work by 16. 0: no proof
    #[arg(long, env = "QUEUE_WORK_DIGITS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=4))]
    pub queue_work_digits: u8,
}

/// The secrets of QUEUE_SECRETS, all different.
#[derive(Debug, Clone)]
pub struct QueueSecrets(Arc<[QueueSecret]>);

impl QueueSecrets {
    /// All secrets.
    pub fn all(&self) -> &[QueueSecret] {
        &self.0
    }

    /// The secret of new sales.
    pub fn of_new_sales(&self) -> &QueueSecret {
        &self.0[0]
    }
}

impl FromStr for QueueSecrets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut secrets: Vec<QueueSecret> = Vec::new();
        for entry in text.split(',') {
            let min = QueueSecret::MIN_BYTES;
            let secret = QueueSecret::new(entry.trim().as_bytes())
                .ok_or_else(|| format!("a secret must be at least {min} bytes"))?;
            let mut known = secrets.iter().map(QueueSecret::fingerprint);
            if known.any(|known| known == secret.fingerprint()) {
                return Err("two secrets have the same fingerprint".to_owned());
            }
            secrets.push(secret);
        }
        Ok(Self(secrets.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn new_sales_get_the_first_secret() {
        let secrets: QueueSecrets = format!("{NEW}, {OLD}").parse().unwrap();
        let new = QueueSecret::new(NEW.as_bytes()).unwrap();
        let given = secrets.of_new_sales();
        assert_eq!(given.fingerprint(), new.fingerprint());
        assert_eq!(secrets.0.len(), 2);
    }

    #[test]
    fn secrets_are_long_and_different_and_are_not_shown() {
        for bad in ["", &OLD[1..], &format!("{OLD},"), &format!("{OLD},{OLD}")] {
            let error = bad.parse::<QueueSecrets>().unwrap_err();
            assert!(!error.contains("0123"), "{error}");
        }
        let secrets: QueueSecrets = OLD.parse().unwrap();
        assert!(!format!("{secrets:?}").contains("0123"), "{secrets:?}");
    }
}
