-- Sales that are paused, of one event or all. Only adds, so that a program of the
-- version before goes on with this file; it knows of no pause.

-- Since when its sales are paused.
ALTER TABLE events ADD COLUMN sales_paused_at INTEGER;

CREATE INDEX events_paused ON events (sales_paused_at)
    WHERE sales_paused_at IS NOT NULL AND deleted_at IS NULL;

-- One row while all sales are paused, none otherwise.
CREATE TABLE sales_paused (
    slot      INTEGER PRIMARY KEY CHECK (slot = 0),
    paused_at INTEGER NOT NULL
) STRICT;
