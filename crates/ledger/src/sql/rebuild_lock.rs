//! The lock of a rebuild.

/// Takes the lock of a sale's rebuild for $3 seconds, if no other token holds it, or renews it. It is a row: an advisory
/// lock belongs to a session, and behind a pooler that shares sessions among clients, it outlives its holder.
pub const LOCK_REBUILD: &str = "
    INSERT INTO rebuild_locks AS l (product_id, token, expires_at)
    VALUES ($1, $2, now() + make_interval(secs => $3))
    ON CONFLICT (product_id) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at
    WHERE l.token = excluded.token OR l.expires_at <= now()";

/// Until when the lock of a sale's rebuild is held.
pub const SELECT_REBUILD_LOCK: &str = "SELECT expires_at FROM rebuild_locks WHERE product_id = $1";

/// Ends the lock of a sale's rebuild. The row stays: workers and reconciler delete nothing.
pub const UNLOCK_REBUILD: &str =
    "UPDATE rebuild_locks SET expires_at = now() WHERE product_id = $1 AND token = $2";
