//! What is written on the primary, and read on the replica, to learn how old its data are.

use diesel::sql_types::{BigInt, Bool, Nullable};

use crate::prepared::prepared;

prepared!(
    /// One row for each process. Waits for this machine's disk, so that the beat is sent to
    /// replicas at once, and for no standby: nobody has to find it again.
    WriteBeat { instance: i64 as BigInt, beat: i64 as BigInt } -> (BigInt,),
    "WITH hasty AS (SELECT set_config('synchronous_commit', 'local', true) AS level)
     INSERT INTO replica_beats (instance, beat, beat_at)
     SELECT ?, ?, clock_timestamp() FROM hasty WHERE level IS NOT NULL
     ON CONFLICT (instance) DO UPDATE SET beat = excluded.beat, beat_at = excluded.beat_at"
);

prepared!(
    /// Those of processes that have ended.
    ForgetBeats {} -> (BigInt,),
    "DELETE FROM replica_beats WHERE beat_at < clock_timestamp() - interval '1 day'"
);

prepared!(
    /// Whether it is a replica, and the last beat of this process that it has.
    ReadBeat { instance: i64 as BigInt } -> (Bool, Nullable<BigInt>),
    "SELECT pg_is_in_recovery(), (SELECT beat FROM replica_beats WHERE instance = ?)"
);
