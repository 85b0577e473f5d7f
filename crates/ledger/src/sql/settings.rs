//! Settings of transactions. They end with the transaction: behind a pooler, the next one of the session may be somebody
//! else's.

use std::time::Duration;

/// Limits that end the transaction of a frozen worker, so that it does not block its successor.
pub fn transaction_limits(timeout: Duration) -> String {
    let ms = timeout.as_millis();
    format!(
        "SET LOCAL idle_in_transaction_session_timeout = {ms};
         SET LOCAL lock_timeout = {ms};
         SET LOCAL statement_timeout = {ms};"
    )
}

/// Lets the planner find rows by an index only, with a plan that a connection makes once. Every statement of a batch names
/// its rows by their keys, and what the planner would decide by is of no use: a sale fills a table faster than ANALYZE looks
/// at it. Its choice was a parallel scan of the whole table, or to hash it.
pub const FIND_BY_INDEX: &str = "
    SET LOCAL plan_cache_mode = force_generic_plan;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;";

/// The limit of one statement, for a transaction.
pub fn statement_timeout(limit: Duration) -> String {
    format!("SET LOCAL statement_timeout = {}", limit.as_millis())
}
