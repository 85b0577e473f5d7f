-- Whether a log is still the log that was read. Workers of the version before run on beside this one: new columns have
-- defaults, and a key that has one more column refuses nothing that they write.
ALTER TABLE positions
    ADD COLUMN consumer text NOT NULL DEFAULT 'inventory-worker',
    ADD COLUMN log_number integer NOT NULL DEFAULT 0,
    ADD COLUMN last_offset bigint,
    ADD COLUMN last_checksum bigint,
    ADD COLUMN last_next_offset bigint,
    ADD COLUMN halted_at timestamptz,
    ADD COLUMN halted_because text,
    ADD COLUMN halted_offset bigint,
    DROP CONSTRAINT positions_pkey,
    ADD PRIMARY KEY (consumer, topic, partition),
    ADD CONSTRAINT positions_mark_is_whole
        CHECK (num_nulls(last_offset, last_checksum, last_next_offset) IN (0, 3)),
    -- A worker that knows no halts must not find a position that it could read from.
    ADD CONSTRAINT positions_halt_is_whole
        CHECK (num_nulls(halted_at, halted_because, halted_offset) IN (0, 3)
               AND (halted_at IS NULL OR next_offset = -1));
COMMENT ON COLUMN positions.consumer IS 'the program that reads';
COMMENT ON COLUMN positions.log_number IS 'how often an operator has accepted that the log is another one';
COMMENT ON COLUMN positions.last_checksum IS 'first 8 bytes of a SHA-256 of the record at last_offset';
COMMENT ON COLUMN positions.last_next_offset IS 'next_offset that was written together with last_offset; if it differs from next_offset, last_offset says nothing';
COMMENT ON COLUMN positions.halted_offset IS 'next_offset before the halt';

-- Its index is built after this migration, while rows are written, and V7 makes it the primary key.
ALTER TABLE dead_letters ADD COLUMN log_number integer NOT NULL DEFAULT 0;
