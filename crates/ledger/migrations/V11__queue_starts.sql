-- Queues that have started. Adds only: a worker of the version before runs on beside this one, and no queue starts before all
-- workers know the event.
ALTER TABLE stock_ledger ADD COLUMN queue_joined bigint;
COMMENT ON COLUMN stock_ledger.queue_joined IS 'how many joined the queue of the sale before its start, an estimate; null: not started, or no queue';

-- NOT VALID: the rows that exist need no check, because the constraint only allows more.
ALTER TABLE sale_changes
    DROP CONSTRAINT sale_changes_kind_known,
    ADD CONSTRAINT sale_changes_kind_known CHECK (kind IN ('restock', 'close', 'amend', 'queue_start')) NOT VALID;
