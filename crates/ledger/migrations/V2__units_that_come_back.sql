-- Cancels, restocks and closings. Adds only: a worker of the version before goes on beside it.

-- The number of the cancel, epoch << 32 | sequence; the order keeps its own.
ALTER TABLE orders ADD COLUMN cancel_number bigint;

-- What happened to a sale after its opening, each change once.
CREATE TABLE sale_changes (
    product_id text NOT NULL,
    change_id  text NOT NULL,
    kind       text NOT NULL,
    units      bigint NOT NULL,
    epoch      integer NOT NULL,
    sequence   bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (product_id, change_id),
    CONSTRAINT sale_changes_kind_known CHECK (kind IN ('restock', 'close'))
);
COMMENT ON COLUMN sale_changes.change_id IS 'the id of the restock, or close';
