-- Numbers get a table of their own, keyed by series: a sale that is split into buckets has one series for each.
-- The columns move in one step, without an expand and a contract: no released worker reads them in stock_ledger.

-- A running worker of the version before must not count between the copy and the drop.
LOCK TABLE stock_ledger IN ACCESS EXCLUSIVE MODE;

CREATE TABLE number_series (
    series_id     text PRIMARY KEY,
    product_id    text NOT NULL REFERENCES stock_ledger ON DELETE CASCADE,
    epoch         integer NOT NULL,
    last_sequence bigint NOT NULL DEFAULT 0,
    written       bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE number_series IS 'one row per product today, named after it';
COMMENT ON COLUMN number_series.last_sequence IS 'highest written sequence of this epoch: of an order, a cancel, a change or a fence';
COMMENT ON COLUMN number_series.written IS 'orders with a row, whatever their status; not those read before the opening of their sale';

INSERT INTO number_series (series_id, product_id, epoch, last_sequence, written)
SELECT product_id, product_id, epoch, last_sequence, written FROM stock_ledger;

ALTER TABLE stock_ledger DROP COLUMN epoch, DROP COLUMN last_sequence, DROP COLUMN written;
