-- Sales that are paused, of one event or all. Only adds, and changes no row.

-- Since when its sales are paused. A booking does not change it, so the index below
-- leaves the updates of bookings heap-only.
ALTER TABLE events ADD COLUMN sales_paused_at TIMESTAMPTZ;

CREATE INDEX events_paused ON events (sales_paused_at DESC, id DESC)
    WHERE sales_paused_at IS NOT NULL AND deleted_at IS NULL;

-- One row while all sales are paused, none otherwise.
CREATE TABLE sales_paused (
    slot      SMALLINT PRIMARY KEY CHECK (slot = 0),
    paused_at TIMESTAMPTZ NOT NULL
);
