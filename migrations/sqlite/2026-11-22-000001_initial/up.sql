-- The tables of the box office on SQLite 3.42 or newer; names and columns are
-- those of the tables on PostgreSQL.
--
-- Times are microseconds since 1970 in UTC: exact, compared as numbers, and as
-- fine as PostgreSQL's. For people:
--   SELECT name, datetime(start_at / 1000000, 'unixepoch') FROM events;
-- The program writes its own clock; the defaults are for rows added by hand.
--
-- Each list is walked along an index. An index ends with the id, named or not:
-- the id is the rowid, by which SQLite orders rows that are equal in the columns
-- of an index. It is left unnamed, because SQLite would keep a named one twice
-- and not begin a walk at it. Falling lists walk the index backwards.

CREATE TABLE users (
    -- AUTOINCREMENT: an id is never given out twice, even if a row was removed.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Trimmed and lower-cased by the program, so UNIQUE is enough.
    email      TEXT NOT NULL UNIQUE,
    name       TEXT,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER))
) STRICT;

CREATE INDEX users_newest ON users (created_at);

-- Every booking updates seats_available of its event. No index holds that
-- column, so the update touches the row alone.
CREATE TABLE events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    venue           TEXT,
    start_at        INTEGER NOT NULL,
    capacity        INTEGER NOT NULL CHECK (capacity <= 2147483647),
    seats_available INTEGER NOT NULL,
    -- Goes up with every change of the row.
    version         INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at      INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    -- Set when the organiser deletes the event: hidden, never removed.
    deleted_at      INTEGER,
    CONSTRAINT events_seats_available_range CHECK (seats_available BETWEEN 0 AND capacity)
) STRICT;

CREATE INDEX events_by_start ON events (start_at) WHERE deleted_at IS NULL;

CREATE TABLE bookings (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id),
    event_id   INTEGER NOT NULL REFERENCES events (id),
    seats      INTEGER NOT NULL CHECK (seats BETWEEN 1 AND 2147483647),
    status     TEXT NOT NULL DEFAULT 'CONFIRMED' CHECK (status IN ('CONFIRMED', 'CANCELLED')),
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER))
) STRICT;

CREATE INDEX bookings_of_user ON bookings (user_id, created_at);
CREATE INDEX bookings_of_event ON bookings (event_id, created_at);

-- Which booking a user's idempotency key stands for, and what was asked for
-- then. Written in the transaction that makes the booking.
CREATE TABLE idempotency_keys (
    user_id    INTEGER NOT NULL REFERENCES users (id),
    key        TEXT NOT NULL,
    booking_id INTEGER NOT NULL,
    event_id   INTEGER NOT NULL,
    seats      INTEGER NOT NULL CHECK (seats BETWEEN 1 AND 2147483647),
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_oldest ON idempotency_keys (created_at);

-- Figures for the organisers, kept as they change. A table of their own,
-- because they are listed by a column that every booking changes.
CREATE TABLE event_sales (
    event_id           INTEGER PRIMARY KEY REFERENCES events (id),
    confirmed_bookings INTEGER NOT NULL DEFAULT 0 CHECK (confirmed_bookings >= 0)
) STRICT;

CREATE INDEX event_sales_top ON event_sales (confirmed_bookings);

-- The sum of event_sales.confirmed_bookings. One slot: there is one writer, so
-- nobody waits for it.
CREATE TABLE booking_totals (
    slot               INTEGER PRIMARY KEY CHECK (slot = 0),
    confirmed_bookings INTEGER NOT NULL DEFAULT 0 CHECK (confirmed_bookings >= 0)
) STRICT;

INSERT INTO booking_totals (slot) VALUES (0);

-- Deleted events whose bookings are still to be marked as cancelled, and how
-- far that got, in the order of bookings_of_event.
CREATE TABLE deletions_pending (
    event_id          INTEGER PRIMARY KEY REFERENCES events (id),
    marked_created_at INTEGER,
    marked_id         INTEGER
) STRICT;
