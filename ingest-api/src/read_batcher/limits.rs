use std::time::Duration;

use fluxgate_ledger::ReadClass;

/// How many reads may wait, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Most reads waiting for a call.
    pub reads_max: usize,
    /// Longest time from a read's arrival to its call.
    pub wait_max: Duration,
}

/// The limits of an instance's reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// IN_FLIGHT_MAX: each request waits for one read at a time.
    pub in_flight_max: usize,
    /// Threads with queues of their own.
    pub threads: usize,
    /// REDIS_TIMEOUT_MS.
    pub redis_timeout: Duration,
    /// READ_DATABASE_TIMEOUT_MS.
    pub database_timeout: Duration,
}

impl ReadLimits {
    /// The queue of reads from Redis.
    pub fn records(&self) -> QueueLimits {
        QueueLimits {
            reads_max: self.in_flight_max,
            wait_max: self.redis_timeout,
        }
    }

    /// A queue of reads from PostgreSQL. At most a quarter of the requests in flight may wait for rows that Redis knows
    /// nothing of, over all threads.
    pub fn rows(&self, class: ReadClass) -> QueueLimits {
        QueueLimits {
            reads_max: match class {
                ReadClass::Known => self.in_flight_max,
                ReadClass::Unknown => self.in_flight_max / 4 / self.threads,
            },
            wait_max: self.database_timeout,
        }
    }
}
