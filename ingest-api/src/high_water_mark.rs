//! The highest number that an instance has seen of a sale.

use std::sync::atomic::{AtomicU64, Ordering};

use fluxgate_domain::SequenceNumber;

/// The highest number of a sale that Redis has returned or the ledger holds, as far as this instance knows. A Redis whose
/// numbers are lower has lost writes.
#[derive(Debug)]
pub struct HighWaterMark(AtomicU64);

impl HighWaterMark {
    /// A mark at `number`.
    pub fn new(number: SequenceNumber) -> Self {
        Self(AtomicU64::new(number.to_bits()))
    }

    /// The mark.
    pub fn get(&self) -> SequenceNumber {
        SequenceNumber::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Raises the mark to `number`; a lower number leaves it as it is.
    pub fn observe(&self, number: SequenceNumber) {
        self.0.fetch_max(number.to_bits(), Ordering::Relaxed);
    }
}
