-- Workers of the version before run on beside this one: they write no copy_due_at, because they copy before they write.
-- The index of copy_due_at is built after this migration, while rows are written.
ALTER TABLE dead_letters
    ADD COLUMN copy_due_at timestamptz,
    DROP CONSTRAINT dead_letters_pkey,
    ADD CONSTRAINT dead_letters_key PRIMARY KEY USING INDEX dead_letters_key;
COMMENT ON COLUMN dead_letters.copy_due_at IS 'when to copy it to the topic of dead letters; null: done';

CREATE TABLE rebuild_locks (
    product_id text PRIMARY KEY,
    token      uuid NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON COLUMN rebuild_locks.token IS 'the rebuild that holds the lock until expires_at';
