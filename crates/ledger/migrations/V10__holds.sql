-- Orders that have to be paid. Workers of the version before run on beside this one: they write none of these columns, and
-- nothing is sent that they do not know.
ALTER TABLE orders
    ADD COLUMN completion_number bigint,
    ADD COLUMN completion_refused boolean NOT NULL DEFAULT false,
    ADD COLUMN expiry_number bigint,
    ADD COLUMN cancel_cause text,
    -- Not validated, because that would read the whole table: the rows that are there satisfy the narrower one before.
    DROP CONSTRAINT orders_status_known,
    ADD CONSTRAINT orders_status_known
        CHECK (status IN ('confirmed', 'rejected', 'expired', 'completed', 'cancelled')) NOT VALID;
COMMENT ON COLUMN orders.completion_refused IS 'it had no units when its completion was read, and the ledger had none left for it';
COMMENT ON COLUMN orders.cancel_cause IS 'shop or buyer; null with a cancel_number: a worker of the version before has written it';

ALTER TABLE stock_ledger ADD COLUMN completed bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN stock_ledger.completed IS 'units of completed orders; they are among those that are sold';

ALTER TABLE number_series ADD COLUMN holds_ended bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN number_series.holds_ended IS 'completions and expiries of the orders in written';
