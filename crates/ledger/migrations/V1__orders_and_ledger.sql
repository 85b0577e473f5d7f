-- The truth: what was sold, to whom, and how far each partition has been read.

CREATE TABLE stock_ledger (
    product_id     text PRIMARY KEY,
    total          bigint NOT NULL,
    sold           bigint NOT NULL DEFAULT 0,
    opens_at       timestamptz NOT NULL,
    closes_at      timestamptz,
    per_user_limit bigint,
    epoch          integer NOT NULL,
    written        bigint NOT NULL DEFAULT 0,
    last_sequence  bigint NOT NULL DEFAULT 0,
    partition      integer NOT NULL,
    -- The wall behind the gate: whatever Redis may do, no more than the stock is ever confirmed.
    CONSTRAINT stock_ledger_sold_within_total CHECK (sold BETWEEN 0 AND total)
);
COMMENT ON COLUMN stock_ledger.written IS 'orders with a row, confirmed or rejected';
COMMENT ON COLUMN stock_ledger.last_sequence IS 'highest sequence among the written orders of this epoch';

CREATE TABLE orders (
    order_id   uuid PRIMARY KEY,
    product_id text NOT NULL,
    user_id    text NOT NULL,
    quantity   integer NOT NULL,
    epoch      integer NOT NULL,
    sequence   bigint NOT NULL,
    status     text NOT NULL,
    reason     text,
    placed_at  timestamptz NOT NULL,
    CONSTRAINT orders_quantity_positive CHECK (quantity > 0),
    CONSTRAINT orders_status_known CHECK (status IN ('confirmed', 'rejected', 'cancelled'))
);

CREATE TABLE positions (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE dead_letters (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    reason      text NOT NULL,
    key         bytea,
    value       bytea,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
