-- What a rebuild of lost Redis data leaves behind. Adds only: a worker of the version before goes on beside it.
ALTER TABLE stock_ledger ADD COLUMN fenced_epoch integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN stock_ledger.fenced_epoch IS 'orders and changes of epochs below this one are not taken any more';
