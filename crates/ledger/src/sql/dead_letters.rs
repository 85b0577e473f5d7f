//! Copies of dead letters.

/// Takes dead letters that are to be copied, the longest due first, and makes them due again after a lease of $3
/// seconds: then another worker takes what was not copied. No transaction stays open while they are copied.
pub const LEASE_DEAD_LETTERS: &str = r#"
    UPDATE dead_letters d SET copy_due_at = now() + make_interval(secs => $3)
    FROM (
        SELECT partition, log_number, "offset" FROM dead_letters
        WHERE topic = $1 AND copy_due_at <= now()
        ORDER BY copy_due_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) due
    WHERE d.topic = $1 AND d.partition = due.partition AND d.log_number = due.log_number
        AND d."offset" = due."offset"
    RETURNING d.partition, d.log_number, d."offset", d.reason, d.key, d.value"#;

/// Dead letters that need no copy any more.
pub const END_COPIES: &str = r#"
    UPDATE dead_letters d SET copy_due_at = NULL
    FROM unnest($2::int[], $3::int[], $4::bigint[]) AS c (partition, log_number, "offset")
    WHERE d.topic = $1 AND d.partition = c.partition AND d.log_number = c.log_number
        AND d."offset" = c."offset""#;

/// How many dead letters are not copied yet; more than $2 are not counted.
pub const COUNT_UNCOPIED: &str = "
    SELECT count(*) FROM (
        SELECT FROM dead_letters WHERE topic = $1 AND copy_due_at IS NOT NULL LIMIT $2
    ) waiting";
