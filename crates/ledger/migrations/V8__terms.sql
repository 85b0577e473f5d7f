-- Everything that was said about a sale when it was opened. Adds only: a worker of the version before runs on beside this one.
ALTER TABLE stock_ledger ADD COLUMN terms jsonb;
COMMENT ON COLUMN stock_ledger.terms IS 'the body of PUT /products/{id}; null: opened by version 0.2 or earlier';
