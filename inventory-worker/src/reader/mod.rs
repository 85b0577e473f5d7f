//! Reading the topic, on a thread of its own.
//!
//! Kafka decides *which* partitions a worker reads, PostgreSQL *where* it starts: after the last
//! record that was written. So every partition starts by loading its position, and loads it again
//! whenever a write finds that PostgreSQL holds a different one (another worker wrote, or the database
//! was restored). Each load begins a new *generation* of the partition; whatever was read or sent
//! in an older one is ignored.
//!
//! A log may have been made anew, or have lost its end, since it was read. So reading begins *at* the last record that
//! was written, which must still be there; it is passed over. If it is not, or if the log does not contain the position,
//! the partition is halted in PostgreSQL, and only an operator ends that (`reconciler accept-log`).
//!
//! PostgreSQL lets only one of two readers write, so the group is a division of labour, not a
//! lock. Membership and reading are two clients, `GroupMembership` and `TopicReader`: when the group and the
//! worker lose each other (a frozen coordinator), the worker keeps reading until a session after the group is
//! back, or until PostgreSQL shows that another worker writes the partition.

mod lifecycle;
mod log_checks;
mod partition_dispatcher;
mod partition_state;
mod partitions;
mod poll_loop;
mod start_offsets;

pub use partition_dispatcher::PartitionDispatcher;
pub use partition_state::Halt;
pub use poll_loop::{Connect, Reader, ReaderParts};
pub use start_offsets::StartOffsets;

use fluxgate_domain::batch::Position;

/// What others ask of the reader. A command of an older generation is ignored.
#[derive(Debug)]
pub enum Command {
    /// The position is loaded and lies in the log: read on there. With a mark, reading begins at the marked record.
    Start {
        /// The partition.
        partition: i32,
        /// The generation it was loaded for.
        generation: u64,
        /// The position.
        position: Position,
    },
    /// PostgreSQL says that the partition is halted.
    Halted {
        /// The partition.
        partition: i32,
        /// The generation its position was loaded for.
        generation: u64,
        /// Why.
        reason: String,
    },
    /// PostgreSQL holds a different position: load it and continue reading from there.
    Reload {
        /// The partition.
        partition: i32,
        /// The generation whose write found it.
        generation: u64,
    },
    /// PostgreSQL was restored from an older state, or an operator has accepted the log of a halted partition: load the
    /// position again, whatever was read since.
    PositionChanged {
        /// The partition.
        partition: i32,
    },
    /// The leader of the partition has changed: look again at the last record that was handed over.
    CheckInPlace {
        /// The partition.
        partition: i32,
    },
    /// Stop reading a partition until this worker is restarted.
    Halt {
        /// The partition.
        partition: i32,
        /// The generation in which something was wrong.
        generation: u64,
        /// What was wrong.
        reason: String,
    },
}
