//! Numbers that are missing in a series.

/// How many numbers below the highest written one have neither a row nor a dead letter, over all series of these
/// partitions. Rebuilt sales are left out: what they lost before is final, and `reconciler audit` counts it. Every
/// dead letter of a sale counts as one of its numbers; equal ones count once, because a log that was accepted as another
/// one may have them again. Cancels after the sale left Redis have no number: their sequence is 0. The rows are counted by
/// product, which has one series. It does not count orders that were read before their sale, nor what ended their holds.
///
/// This runs all the time, so it reads little: of a sale whose orders have all numbers, no rows; and dead letters, which
/// no index finds by key, once for all sales together, and only if one lacks numbers.
pub const COUNT_GAPS: &str = "
    WITH missing AS (
        SELECT l.partition, convert_to(l.product_id, 'UTF8') AS key,
               n.last_sequence - n.written - n.holds_ended
               - (SELECT count(*) FILTER (WHERE o.cancel_number & 4294967295 <> 0)
                         + coalesce(sum(1 + num_nonnulls(o.completion_number, o.expiry_number))
                                    FILTER (WHERE o.reason = 'unknown_sale'), 0)
                  FROM orders o WHERE o.product_id = l.product_id
                      AND (o.cancel_number IS NOT NULL OR o.reason = 'unknown_sale'))
               - (SELECT count(*) FROM sale_changes s WHERE s.product_id = l.product_id) AS numbers
        FROM stock_ledger l JOIN number_series n ON n.series_id = l.product_id
        WHERE l.partition = ANY($2) AND n.epoch = 1 AND l.fenced_epoch = 0
            AND n.last_sequence > n.written + n.holds_ended
    ), letters AS (
        SELECT DISTINCT partition, key, sha256(coalesce(value, '')) AS hash FROM dead_letters
        WHERE topic = $1 AND (partition, key) IN (SELECT partition, key FROM missing WHERE numbers > 0)
    )
    SELECT coalesce(sum(greatest(m.numbers - coalesce(d.letters, 0), 0)), 0)::bigint
    FROM missing m
    LEFT JOIN (SELECT partition, key, count(*) AS letters FROM letters GROUP BY 1, 2) d USING (partition, key)
    WHERE m.numbers > 0";
