//! Housekeeping in SQLite, a bounded piece at a time: bookings wait for it.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::ports::{Maintenance, StoreError};

use crate::clock::{self, Place};
use crate::error::{before_commit, defect};
use crate::prepared::{at_most_one, prepared};

use super::count;

super::store!(
    /// [`Maintenance`] on SQLite.
    SqliteMaintenance
);

prepared!(
    /// The deleted event that is next, and how far its marking got.
    NextPending {} -> (BigInt, Nullable<BigInt>, Nullable<BigInt>),
    "SELECT event_id, marked_created_at, marked_id FROM deletions_pending
     ORDER BY event_id LIMIT 1"
);

prepared!(
    /// The next piece of a deleted event's bookings, in the order of
    /// `bookings_of_event`.
    BookingsBehind {
        event_id: i64 as BigInt,
        at: i64 as BigInt,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, BigInt, Text),
    "SELECT id, created_at, status FROM bookings
     WHERE event_id = ? AND (created_at, id) < (?, ? COLLATE BINARY)
     ORDER BY created_at DESC, id DESC LIMIT ?"
);

prepared!(
    /// Marks a booking. Seats and figures went when the event was deleted.
    Mark { now: i64 as BigInt, booking_id: i64 as BigInt } -> (BigInt,),
    "UPDATE bookings SET status = 'CANCELLED', updated_at = ?
     WHERE id = ? AND status = 'CONFIRMED'"
);

prepared!(
    /// Remembers how far the marking got.
    KeepPlace { at: i64 as BigInt, id: i64 as BigInt, event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE deletions_pending SET marked_created_at = ?, marked_id = ? WHERE event_id = ?"
);

prepared!(
    /// All bookings of the event are marked.
    Finish { event_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM deletions_pending WHERE event_id = ?"
);

prepared!(
    /// The oldest keys. The list in `IN` depends on nothing outside it, so
    /// SQLite makes it once, before it deletes anything.
    ForgetKeys { before: i64 as BigInt, rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM idempotency_keys WHERE (user_id, key) IN (
         SELECT user_id, key FROM idempotency_keys
         WHERE created_at < ? ORDER BY created_at LIMIT ?
     )"
);

#[async_trait]
impl Maintenance for SqliteMaintenance {
    async fn finish_deletions(&self, bookings_max: usize) -> Result<usize, StoreError> {
        self.0
            .write("finish_deletions", move |connection| {
                mark_a_piece(connection, bookings_max)
            })
            .await
    }

    async fn forget_keys(&self, keys_max: usize) -> Result<usize, StoreError> {
        let keep = i64::try_from(self.0.keep_keys().as_micros()).unwrap_or(i64::MAX);
        self.0
            .write("forget_keys", move |connection| {
                ForgetKeys {
                    before: clock::micros(clock::now()).saturating_sub(keep),
                    rows_max: count(keys_max),
                }
                .execute(connection)
                .map_err(before_commit)
            })
            .await
    }
}

fn mark_a_piece(
    connection: &mut SqliteConnection,
    bookings_max: usize,
) -> Result<usize, StoreError> {
    type Pending = (i64, Option<i64>, Option<i64>);
    if bookings_max == 0 {
        return Ok(0);
    }
    let pending: Option<Pending> =
        at_most_one(connection, NextPending {}).map_err(before_commit)?;
    let Some((event_id, at, id)) = pending else {
        return Ok(0);
    };
    let Place { at, id } = match (at, id) {
        (Some(at), Some(id)) => Place { at, id },
        _ => Place::NEWEST,
    };
    let piece: Vec<(i64, i64, String)> = BookingsBehind {
        event_id,
        at,
        id,
        rows_max: count(bookings_max),
    }
    .load(connection)
    .map_err(before_commit)?;
    let now = clock::micros(clock::now());
    let mut marked = 0;
    for (booking_id, _, status) in &piece {
        if status == "CONFIRMED" {
            let booking_id = *booking_id;
            let mark = Mark { now, booking_id };
            marked += mark.execute(connection).map_err(before_commit)?;
        }
    }
    let kept = match piece.last() {
        Some(&(id, at, _)) if piece.len() == bookings_max => {
            KeepPlace { at, id, event_id }.execute(connection)
        }
        _ => Finish { event_id }.execute(connection),
    };
    if kept.map_err(before_commit)? != 1 {
        return Err(defect(format!(
            "marking the bookings of event {event_id} lost its place"
        )));
    }
    // A piece in which nothing was left to mark is still a piece of work done.
    Ok(marked.max(1))
}
