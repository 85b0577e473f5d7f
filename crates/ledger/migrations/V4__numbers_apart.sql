-- Orders that have a second number (a cancel), or whose own is not counted in the ledger because it came before the
-- sale: what is missing among a sale's numbers is looked for all the time, and must not read all of its orders.
CREATE INDEX orders_numbered_apart ON orders (product_id) WHERE cancel_number IS NOT NULL OR reason = 'unknown_sale';
