use std::time::Duration;

use clap::Args;

/// When a batch is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Batches")]
pub struct BatchSettings {
    /// Records at which a batch is written
    #[arg(long, env = "BATCH_MAX_ROWS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub batch_max_rows: u32,

    /// Milliseconds after its first record at which a batch is written, however small
    #[arg(long, env = "BATCH_MAX_AGE_MS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub batch_max_age_ms: u64,

    /// Batches that are written at once, each of other partitions, over a connection of its own
    #[arg(long, env = "BATCH_WRITERS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub batch_writers: u32,

    /// Dead letters of one partition in one batch; above it that partition is halted, because
    /// something is wrong with more than a record
    #[arg(long, env = "DEAD_LETTERS_MAX_PER_BATCH", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=50_000))]
    pub dead_letters_max_per_batch: u32,
}

impl BatchSettings {
    /// The longest a record waits for others.
    pub fn max_age(&self) -> Duration {
        Duration::from_millis(self.batch_max_age_ms)
    }
}
