-- Workers of the version before run on beside this one: they write no copy_due_at, because they copy before they write.
ALTER TABLE dead_letters ADD COLUMN copy_due_at timestamptz;
-- Workers look here every five seconds. It is built from no rows, but reads the table once while it is locked.
CREATE INDEX dead_letters_copy_due ON dead_letters (copy_due_at) WHERE copy_due_at IS NOT NULL;
COMMENT ON COLUMN dead_letters.copy_due_at IS 'when to copy it to the topic of dead letters; null: done';

CREATE TABLE rebuild_locks (
    product_id text PRIMARY KEY,
    token      uuid NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON COLUMN rebuild_locks.token IS 'the rebuild that holds the lock until expires_at';
