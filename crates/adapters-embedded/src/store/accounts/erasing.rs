//! Erasing a user, and finding what they have booked.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use domain::model::{BookingId, Email, UserId};
use domain::ports::{AccountError, StoreError};

use crate::clock;
use crate::error::{before_commit, stored};
use crate::prepared::prepared;
use crate::store::count;

use super::drop_password_token;

prepared!(
    /// Leaves of the person what bookings refer to.
    EraseUser { placeholder: String as Text, now: i64 as BigInt, user_id: i64 as BigInt }
        -> (BigInt,),
    "UPDATE users
     SET email = ?, name = NULL, password_hash = NULL, suspended_at = NULL, erased_at = ?
     WHERE id = ? AND erased_at IS NULL"
);

prepared!(
    /// There is nothing that they could be kept for.
    DropSessions { user_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM sessions WHERE user_id = ?"
);

prepared!(
    /// They are whatever the user's client wrote. Walks the primary key.
    DropKeys { user_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM idempotency_keys WHERE user_id = ?"
);

prepared!(
    /// Has the bookings of an erased user looked for.
    QueueErasure { user_id: i64 as BigInt } -> (BigInt,),
    "INSERT INTO erasures_pending (user_id) VALUES (?)"
);

prepared!(
    /// Walks `bookings_of_user` for each user in the queue.
    BookingsOfErased { now: i64 as BigInt, rows_max: i64 as BigInt } -> (BigInt,),
    "SELECT b.id
     FROM erasures_pending p CROSS JOIN bookings b ON b.user_id = p.user_id
         CROSS JOIN events e ON e.id = b.event_id
     WHERE b.status = 'CONFIRMED' AND e.deleted_at IS NULL AND e.start_at > ?
     LIMIT ?"
);

prepared!(
    /// Nobody in the queue has anything to be cancelled.
    EmptyQueue {} -> (BigInt,),
    "DELETE FROM erasures_pending"
);

/// What stands in the place of an erased user's address. Addresses that people
/// register are in small letters: this is none of them. Read back as an address
/// it is `Email::of_erased` itself.
pub(in crate::store) fn placeholder(user_id: UserId) -> String {
    Email::of_erased(user_id).as_str().to_uppercase()
}

pub(super) fn erase(
    connection: &mut SqliteConnection,
    user_id: UserId,
) -> Result<(), AccountError> {
    let erase = EraseUser {
        placeholder: placeholder(user_id),
        now: clock::micros(clock::now()),
        user_id: user_id.get(),
    };
    if erase.execute(connection).map_err(before_commit)? == 0 {
        return Err(AccountError::UserNotFound(user_id));
    }
    drop_password_token(connection, user_id)?;
    let user_id = user_id.get();
    let dropped = DropSessions { user_id }.execute(connection);
    dropped.map_err(before_commit)?;
    let dropped = DropKeys { user_id }.execute(connection);
    dropped.map_err(before_commit)?;
    let queued = QueueErasure { user_id }.execute(connection);
    queued.map_err(before_commit)?;
    Ok(())
}

/// Users leave the queue once none of them has a booking to be cancelled, so that
/// those who were erased long ago are not looked at each time.
pub(super) fn bookings_of_erased(
    connection: &mut SqliteConnection,
    bookings_max: usize,
) -> Result<Vec<BookingId>, StoreError> {
    let query = BookingsOfErased {
        now: clock::micros(clock::now()),
        rows_max: count(bookings_max),
    };
    let found: Vec<(i64,)> = query.load(connection).map_err(before_commit)?;
    if found.is_empty() && bookings_max > 0 {
        EmptyQueue {}.execute(connection).map_err(before_commit)?;
    }
    let ids = found.into_iter().map(|(id,)| BookingId::try_new(id));
    ids.collect::<Result<_, _>>().map_err(stored)
}
