//! The queue of a sale. A place in it is computed, not stored.

mod secret;

pub use secret::{QueueSecret, SecretFingerprint, seed_sha256};
