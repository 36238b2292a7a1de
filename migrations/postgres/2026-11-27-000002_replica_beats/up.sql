-- How far replicas are: each server that reads from one writes here now and then, and what
-- the replica shows of it tells how old its data are. Only adds.
CREATE TABLE replica_beats (
    -- The server that writes, for as long as its process lives.
    instance BIGINT PRIMARY KEY,
    beat     BIGINT NOT NULL,
    beat_at  TIMESTAMPTZ NOT NULL
);
