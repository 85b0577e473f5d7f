-- Changes of how queues are served. Adds only: a worker of the version before runs on beside this one, and no queue is changed
-- before all workers know the event.
ALTER TABLE sale_changes ADD COLUMN queue_settings jsonb;
COMMENT ON COLUMN sale_changes.queue_settings IS 'how the queue of the sale is served after a queue_change: what admin calls have set; else null';

-- NOT VALID: the rows that exist need no check, because the constraint only allows more.
ALTER TABLE sale_changes
    DROP CONSTRAINT sale_changes_kind_known,
    ADD CONSTRAINT sale_changes_kind_known
        CHECK (kind IN ('restock', 'close', 'amend', 'queue_start', 'queue_change')) NOT VALID;
