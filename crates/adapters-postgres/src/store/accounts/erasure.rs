//! Erasing users, and what is left to be done about their bookings.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{BookingId, UserId};
use domain::ports::{AccountError, StoreError};
use futures::FutureExt;

use crate::Database;
use crate::error::{before_commit, stored};
use crate::one_row::OneRow;
use crate::prepared::prepared;

use super::super::sessions::EndSessions;
use super::lock_out;
use super::passwords::EndTokens;

prepared!(
    /// Leaves the id. The address that takes the place of theirs has a capital
    /// letter, which no registered one has, so it is in nobody's way; read, it is
    /// lower-cased and is `Email::of_erased`.
    Erase { user_id: i64 as BigInt } -> (BigInt,),
    "UPDATE users
     SET email = 'User-' || id || '@erased.invalid', name = NULL, password_hash = NULL,
         suspended_at = NULL, erased_at = clock_timestamp()
     WHERE id = ?"
);

prepared!(
    /// They are whatever the user's client wrote. Walks the primary key. Bookings
    /// bind keys under a lock of the user's row, so none is being bound now; one
    /// that waits for this to end binds its key, is refused and lets go of it.
    DropKeys { user_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM idempotency_keys WHERE user_id = ?"
);

prepared!(
    /// Until [`BookingsOfErased`] finds nothing more.
    AwaitCancellations { user_id: i64 as BigInt } -> (BigInt,),
    "INSERT INTO erasures_pending (user_id) VALUES (?)"
);

/// Names the advisory lock that the trigger `events_postponed` shares. "past" in
/// ASCII.
const POSTPONING_LOCK: i64 = 0x7061_7374;

prepared!(
    /// Nobody is moving an event to a later time while this is held: what they have
    /// moved is seen by the next statement, and who moves one later finds the queue
    /// as that has left it.
    LockPostponing { lock: i64 as BigInt } -> (Bool,),
    "SELECT true FROM pg_advisory_xact_lock(?)"
);

prepared!(
    /// Whether anybody is to be looked at.
    AnyPending {} -> (Bool,),
    "SELECT EXISTS (SELECT FROM erasures_pending)"
);

prepared!(
    /// Walks `bookings_of_user` for each user whose erasure is pending. If nothing
    /// is left of any of them, that is done: erasing waited for the bookings that
    /// were under way, none comes after it, and both parts see one state. A user
    /// who is being erased this very moment is not in it and stays pending.
    BookingsOfErased { rows_max: i64 as BigInt } -> (BigInt,),
    "WITH found AS MATERIALIZED (
         SELECT b.id FROM erasures_pending p
         JOIN bookings b ON b.user_id = p.user_id AND b.status = 'CONFIRMED'
         JOIN events e ON e.id = b.event_id AND e.deleted_at IS NULL
             AND e.start_at > statement_timestamp()
         LIMIT ?
     ), done AS (
         DELETE FROM erasures_pending WHERE NOT EXISTS (SELECT FROM found)
     )
     SELECT id FROM found"
);

pub(super) async fn erase(database: &Database, user_id: UserId) -> Result<(), AccountError> {
    database
        .transaction("erase_account", move |connection| {
            async move {
                lock_out(connection, user_id).await?;
                let erased = erase_locked(connection, user_id.get()).await;
                Ok(erased.map_err(before_commit)?)
            }
            .boxed()
        })
        .await
}

async fn erase_locked(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<()> {
    Erase { user_id }.execute(connection).await?;
    AwaitCancellations { user_id }.execute(connection).await?;
    let keep = None;
    EndSessions { user_id, keep }.execute(connection).await?;
    EndTokens { user_id }.execute(connection).await?;
    DropKeys { user_id }.execute(connection).await?;
    Ok(())
}

pub(super) async fn bookings_of_erased(
    database: &Database,
    bookings_max: usize,
) -> Result<Vec<BookingId>, StoreError> {
    if bookings_max == 0 {
        return Ok(Vec::new());
    }
    // Most of the time there is nobody, and nobody has to wait for that.
    let (is_any_pending,): (bool,) = database
        .read(|connection| async move { AnyPending {}.one_row(connection).await }.boxed())
        .await?;
    if !is_any_pending {
        return Ok(Vec::new());
    }
    let found: Vec<(i64,)> = database
        .transaction("forget_erased", move |connection| {
            async move {
                let found = look_for_bookings(connection, bookings_max).await;
                found.map_err(before_commit)
            }
            .boxed()
        })
        .await?;
    let bookings = found.into_iter().map(|(id,)| BookingId::try_new(id));
    bookings.collect::<Result<_, _>>().map_err(stored)
}

async fn look_for_bookings(
    connection: &mut AsyncPgConnection,
    bookings_max: usize,
) -> QueryResult<Vec<(i64,)>> {
    let lock = POSTPONING_LOCK;
    LockPostponing { lock }.execute(connection).await?;
    let rows_max = bookings_max as i64;
    BookingsOfErased { rows_max }.load(connection).await
}
