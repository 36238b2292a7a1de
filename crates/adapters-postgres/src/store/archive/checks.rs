//! What must be true of the tables before an archive is committed, whatever
//! the records looked like on their way.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::AsyncPgConnection;
use domain::ports::ImportError;
use domain::rules::{ArchiveSums, Inconsistency};

use crate::error::{before_commit, defect};
use crate::one_row::OneRow;
use crate::prepared::prepared;

use super::count;

prepared!(
    /// An event whose seats left are not what its bookings leave. Nobody holds
    /// seats of a deleted one.
    MiscountedEvent {} -> (BigInt, Integer, Integer, BigInt),
    "SELECT e.id, e.capacity, e.seats_available, coalesce(b.seats, 0)
     FROM events e LEFT JOIN (
         SELECT event_id, sum(seats) AS seats FROM bookings
         WHERE status = 'CONFIRMED' GROUP BY event_id
     ) b ON b.event_id = e.id AND e.deleted_at IS NULL
     WHERE e.seats_available <> e.capacity - coalesce(b.seats, 0)
     ORDER BY e.id LIMIT 1"
);

prepared!(
    /// A key that stands for another request than the one that made its booking.
    StrayKey {} -> (BigInt, Text, BigInt),
    "SELECT k.user_id, k.key, k.booking_id
     FROM idempotency_keys k LEFT JOIN bookings b
         ON b.id = k.booking_id AND b.user_id = k.user_id
         AND b.event_id = k.event_id AND b.seats = k.seats
     WHERE b.id IS NULL
     ORDER BY k.user_id, k.key LIMIT 1"
);

prepared!(
    /// Confirmed bookings of events on sale: counted, by event, and in all.
    ConfirmedBookings {} -> (BigInt, BigInt, BigInt),
    "SELECT
         (SELECT count(*) FROM bookings b JOIN events e ON e.id = b.event_id
          WHERE b.status = 'CONFIRMED' AND e.deleted_at IS NULL),
         (SELECT coalesce(sum(confirmed_bookings), 0)::bigint FROM event_sales),
         (SELECT coalesce(sum(confirmed_bookings), 0)::bigint FROM booking_totals)"
);

/// # Errors
/// Records that contradict each other, or a table that does not hold what was
/// written into it.
pub(super) async fn check(
    connection: &mut AsyncPgConnection,
    sums: &ArchiveSums,
) -> Result<(), ImportError> {
    let there = count(connection).await?;
    if there != sums.counts {
        let read = sums.counts;
        return Err(defect(format!("{read} were read, but {there} are there")).into());
    }
    let miscounted: Option<(i64, i32, i32, i64)> = MiscountedEvent {}
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    if let Some((event_id, capacity, left, confirmed)) = miscounted {
        return Err(defect(format!(
            "event {event_id} has {capacity} seats, {confirmed} of them confirmed and {left} left"
        ))
        .into());
    }
    let stray: Option<(i64, String, i64)> = StrayKey {}
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    if let Some((user_id, key, booking_id)) = stray {
        return Err(Inconsistency::new(format!(
            "key {key:?} of user {user_id} stands for another request than the one that made \
             booking {booking_id}"
        ))
        .into());
    }
    check_totals(connection, sums.confirmed_bookings).await
}

async fn check_totals(
    connection: &mut AsyncPgConnection,
    confirmed_bookings: u64,
) -> Result<(), ImportError> {
    let found: (i64, i64, i64) = ConfirmedBookings {}
        .one_row(connection)
        .await
        .map_err(before_commit)?;
    let expected = i64::try_from(confirmed_bookings).unwrap_or(i64::MAX);
    if found != (expected, expected, expected) {
        return Err(defect(format!(
            "{expected} confirmed bookings were read, but {found:?} are there, in the figures \
             and in their total"
        ))
        .into());
    }
    Ok(())
}
