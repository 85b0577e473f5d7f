//! Migrations and the probe.

use std::time::Duration;

/// The limit of waiting for a lock, for the session that migrates.
pub fn lock_timeout(limit: Duration) -> String {
    format!("SET lock_timeout = {}", limit.as_millis())
}

/// For the session that builds an index, because no writer waits for it.
pub const NO_LIMITS: &str = "SET lock_timeout = 0; SET statement_timeout = 0";

/// Lets one migration run at a time in a schema: refinery takes no lock. The lock ends with its connection. A caller that
/// waits asks again: a statement that waited would have a snapshot, and an index that is built while rows are written waits until
/// all older snapshots are gone.
pub const TRY_LOCK_MIGRATIONS: &str =
    "SELECT pg_try_advisory_lock(hashtext('fluxgate:' || current_schema()))";

/// Whether an index can be used; it cannot if its build was interrupted.
pub const IS_INDEX_VALID: &str =
    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";

/// The encoding of the database.
pub const SELECT_ENCODING: &str = "SELECT getdatabaseencoding()";

/// Names what the latest migrations brought, and reads nothing: to find a first row while one of the tables is empty,
/// PostgreSQL would go through all combinations of the others.
pub const PROBE: &str = "
    SELECT fenced_epoch, closed_at, last_sequence, last_checksum, copy_due_at, terms_number, completion_number,
           queue_joined, queue_settings
    FROM positions, stock_ledger, number_series, orders, dead_letters, sale_changes LIMIT 0";

/// Fails in a session that takes no writes: PostgreSQL refuses the statement before it looks for rows.
pub const PROBE_WRITABLE: &str = "UPDATE positions SET next_offset = next_offset WHERE false";
