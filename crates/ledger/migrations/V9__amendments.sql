-- Sales whose terms change before their first order. Adds only: a worker of the version before runs on beside this one.
ALTER TABLE stock_ledger
    ADD COLUMN id_time timestamptz,
    ADD COLUMN terms_number bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN stock_ledger.id_time IS 'the time in the order ids of an amended sale; null: opens_at';
COMMENT ON COLUMN stock_ledger.terms_number IS 'sequence number of the amendment that the terms are of, epoch << 32 | sequence; 0: never amended';

-- NOT VALID: the rows that exist need no check, because the constraint only allows more.
ALTER TABLE sale_changes
    DROP CONSTRAINT sale_changes_kind_known,
    ADD CONSTRAINT sale_changes_kind_known CHECK (kind IN ('restock', 'close', 'amend')) NOT VALID;
