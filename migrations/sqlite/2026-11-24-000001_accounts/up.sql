-- Accounts: what users and services log in with, and the log of who did what.
-- Only adds, so that a program of the version before goes on with this file.
--
-- Of secrets there are SHA-256 digests, never the secrets. Each is UNIQUE, which
-- is the index by which it is looked up.

-- Before the password, which is long: every booking looks at these two.
ALTER TABLE users ADD COLUMN suspended_at INTEGER;
-- Set when the user is erased. The row stays, because bookings refer to it; all
-- that it said of the person is gone. Instead of the address it has one with the
-- id under `.invalid`, which is nobody's (RFC 2606), in capital letters: those
-- that people register are in small ones, so none of them can be the same.
ALTER TABLE users ADD COLUMN erased_at INTEGER
    CHECK (erased_at IS NULL
           OR (email LIKE '%.invalid' AND email = upper(email)
               AND name IS NULL AND suspended_at IS NULL));
-- The salted hash in the PHC format; NULL for who never set a password.
ALTER TABLE users ADD COLUMN password_hash TEXT
    CHECK (password_hash IS NULL OR erased_at IS NULL);

-- The lists of users, without the erased ones: all, and those that are suspended
-- or are not. `users_newest` is the list of the version before.
CREATE INDEX users_registered ON users (created_at) WHERE erased_at IS NULL;
CREATE INDEX users_by_suspension ON users ((suspended_at IS NOT NULL), created_at)
    WHERE erased_at IS NULL;
CREATE INDEX users_erased ON users (erased_at) WHERE erased_at IS NOT NULL;

-- Erased users who may have confirmed bookings of events yet to come. Whoever
-- looks for such bookings and finds none empties the table.
CREATE TABLE erasures_pending (
    user_id INTEGER PRIMARY KEY REFERENCES users (id)
) STRICT;

-- An event that had started may be moved to the future: then bookings that were
-- past are to come, and erased users are looked at once more. A booking changes
-- other columns and does not come by here.
CREATE TRIGGER events_postponed AFTER UPDATE OF start_at ON events
WHEN new.start_at > old.start_at
BEGIN
    INSERT OR IGNORE INTO erasures_pending (user_id)
    SELECT id FROM users WHERE erased_at IS NOT NULL;
END;

-- Ending a session puts 0 in the place of both its ends; it is forgotten later.
CREATE TABLE sessions (
    -- AUTOINCREMENT: the name of a session that has ended is never given out again.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       INTEGER NOT NULL REFERENCES users (id),
    access        BLOB NOT NULL UNIQUE CHECK (length(access) = 32),
    access_until  INTEGER NOT NULL,
    refresh       BLOB NOT NULL UNIQUE CHECK (length(refresh) = 32),
    refresh_until INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    refreshed_at  INTEGER NOT NULL
) STRICT;

-- Which of a user's sessions was begun or refreshed longest ago.
CREATE INDEX sessions_of_user ON sessions (user_id, refreshed_at);
CREATE INDEX sessions_over ON sessions (refresh_until);

-- Refresh secrets that were exchanged, kept until their time would have been
-- over even if their session ends before: whoever shows one has a copy. So there
-- is no foreign key to the session.
CREATE TABLE spent_refresh_secrets (
    refresh       BLOB PRIMARY KEY CHECK (length(refresh) = 32),
    session_id    INTEGER NOT NULL,
    user_id       INTEGER NOT NULL REFERENCES users (id),
    refresh_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_refresh_secrets_over ON spent_refresh_secrets (refresh_until);

-- With which a password can be set once. A new one takes the place of the one
-- before.
CREATE TABLE password_tokens (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id),
    token      BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
    good_until INTEGER NOT NULL
) STRICT;

CREATE INDEX password_tokens_over ON password_tokens (good_until);

-- Keys of services. A revoked one is kept for the list.
CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    -- One or more, with a space between them.
    scopes       TEXT NOT NULL CHECK (scopes <> ''),
    secret       BLOB NOT NULL UNIQUE CHECK (length(secret) = 32),
    created_at   INTEGER NOT NULL,
    rotated_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE INDEX api_keys_newest ON api_keys (created_at);

-- Who did what. Names people by id only, so that nothing has to be erased.
CREATE TABLE audit_log (
    -- No row is ever removed, so no id is given out twice.
    id          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    actor_kind  TEXT NOT NULL
                CHECK (actor_kind IN ('anonymous', 'user', 'service', 'admin', 'system')),
    actor_id    INTEGER CHECK ((actor_id IS NOT NULL) = (actor_kind IN ('user', 'service'))),
    action      TEXT NOT NULL,
    object_kind TEXT,
    object_id   INTEGER CHECK ((object_id IS NULL) = (object_kind IS NULL)),
    -- The code of the refusal; NULL when it was done.
    refused     TEXT,
    request_id  TEXT NOT NULL
) STRICT;

CREATE INDEX audit_log_newest ON audit_log (at);
CREATE INDEX audit_log_of_actor ON audit_log (actor_kind, actor_id, at);
CREATE INDEX audit_log_of_action ON audit_log (action, at);
CREATE INDEX audit_log_of_object ON audit_log (object_kind, object_id, at)
    WHERE object_kind IS NOT NULL;
CREATE INDEX audit_log_refused ON audit_log (at) WHERE refused IS NOT NULL;

-- It is only added to, whoever asks.
CREATE TRIGGER audit_log_keeps_entries BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never removed');
END;

CREATE TRIGGER audit_log_keeps_words BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never changed');
END;

-- REPLACE would remove an entry without asking the trigger above. Where no id is
-- given, new.id is none that exists.
CREATE TRIGGER audit_log_keeps_ids BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = new.id)
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never replaced');
END;
