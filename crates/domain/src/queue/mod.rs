//! The queue of a sale: tickets, positions and turns. Nothing is stored per person: a position is computed from the ticket and the
//! seed of the sale, and a turn from the position and how far the queue has been served.

mod position;
mod secret;
mod settings;
mod ticket;
mod turn;

pub use position::{EARLY_END, QueuePosition, Thresholds};
pub use secret::{QueueSecret, SecretFingerprint, seed_sha256};
pub use settings::{QueuePatch, QueueSettings};
pub use ticket::{HolderId, InvalidTicket, Ticket};
pub use turn::{ServedPoint, TURN_GRACE, Turn, TurnHistory};
