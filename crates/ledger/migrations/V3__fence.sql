-- What a rebuild of lost Redis data leaves behind. Adds only: a worker of the version before goes on beside it.
ALTER TABLE stock_ledger ADD COLUMN fenced_epoch integer NOT NULL DEFAULT 0;
-- A closing by hand left the sale's own closing time no place of its own.
ALTER TABLE stock_ledger ADD COLUMN closed_at timestamptz;
COMMENT ON COLUMN stock_ledger.fenced_epoch IS 'orders and changes of epochs below this one are not taken any more';
