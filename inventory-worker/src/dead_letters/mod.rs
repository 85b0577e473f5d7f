//! Records that cannot be written. Their rows in `dead_letters` are part of the batch; here are their copies on a topic
//! and their log lines.

mod copier;
mod log_lines;
mod topic;

pub use copier::DeadLetterCopier;
pub use log_lines::log_dead_letters;
pub use topic::DeadLetterTopic;
